"""Base64 in blocks comes back, and so do words that are said to be base64."""

from __future__ import annotations

import base64
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from mailroom.message.transfer import Encoding, decode


@given(
    st.integers(0, 2**32).map(Random),
    st.integers(6, 60),
    st.integers(60, 9000),
    st.sampled_from([b" ", b"\t"]),
)
def test_base64_in_blocks_comes_back(chance: Random, width: int, size: int, space: bytes) -> None:
    """However long its blocks are, and wherever its lines are broken."""
    content = chance.randbytes(size)
    encoded = base64.b64encode(content)
    spaced = space.join(encoded[at : at + width] for at in range(0, len(encoded), width))
    broken = max(3 * width, 76)
    lines = [spaced[at : at + broken].strip() for at in range(0, len(spaced), broken)]
    assert decode(b"\r\n".join(lines), Encoding.BASE64) == content


@given(
    st.lists(
        st.lists(
            st.from_regex(
                r"[A-Z]?[a-z]{1,11}[,.]?|[0-9]{1,8}|[A-Z]{2,8}|[A-Z]{1,4}[0-9]{1,4}", fullmatch=True
            ),
            min_size=5,
            max_size=9,
        ),
        min_size=1,
        max_size=20,
    ).filter(lambda lines: len(" ".join(lines[0])) < 25 * (len(lines[0]) - 1)),
    st.booleans(),
)
def test_words_said_to_be_base64_come_back(lines: list[list[str]], are_equal: bool) -> None:
    """Text stays text, with words of any length and of one."""
    if are_equal:
        lines = [
            [(word * 5)[:5] if word.islower() else word[:5].ljust(5, "0") for word in line] for line in lines
        ]
    text = "\r\n".join(" ".join(line) for line in lines).encode()
    assert decode(text, Encoding.BASE64) == text
