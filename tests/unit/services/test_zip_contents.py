"""Zip archives that came by mail."""

from __future__ import annotations

import contextlib
import io
import zipfile

import pytest
import pyzipper
from hypothesis import given
from hypothesis import strategies as st

from mailroom.exceptions import LimitExceeded, MailroomError
from mailroom.services.delivering import zip_contents
from mailroom.services.delivering.zip_contents import Member, ZipContents, split_part

FILES = {"a.txt": b"hello", "b/c.pdf": b"%PDF-1.4", "__MACOSX/._a.txt": b"x", "b/.DS_Store": b"x"}


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return an archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def encrypted(files: dict[str, bytes], password: bytes) -> bytes:
    """Return an archive encrypted with AES."""
    out = io.BytesIO()
    with pyzipper.AESZipFile(out, "w", encryption=pyzipper.WZ_AES) as archive:
        archive.setpassword(password)
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def opened(data: bytes, password: str | None = None) -> ZipContents:
    """Open an archive that comes in small pieces."""
    return ZipContents((data[at : at + 50] for at in range(0, len(data), 50)), "2", password)


def test_members_are_the_files_that_people_packed() -> None:
    """With their name alone, their size and what they look like; numbers count everything."""
    with opened(zipped(FILES)) as contents:
        assert list(contents.members()) == [
            Member(part="2.zip1", number=1, name="a.txt", size=5, detected_type="text/plain"),
            Member(part="2.zip2", number=2, name="c.pdf", size=8, detected_type="application/pdf"),
        ]
        assert b"".join(contents.read(2)) == b"%PDF-1.4"


def test_archives_in_archives_are_opened_so_deep_and_no_deeper() -> None:
    """The part says the way."""
    data = zipped({"a.txt": b"deep"})
    for _ in range(3):
        data = zipped({"in.zip": data})
    with opened(data) as one, one.nested(1) as two, two.nested(1) as three:
        assert [member.part for member in three.members()] == ["2.zip1.zip1.zip1"]
        with pytest.raises(LimitExceeded, match="deeper"):
            three.nested(1)
    assert split_part("2.zip1.zip1.zip1") == ("2", [1, 1, 1])


def test_bombs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too dense, too many, or too much, also in all archives within an archive together."""
    with pytest.raises(LimitExceeded, match="for each of its own"):
        opened(zipped({"zeros": bytes(40_000_000)}))
    opened(zipped({"zeros": bytes(4_000_000)})).__exit__()
    monkeypatch.setattr(zip_contents, "RATIO_COUNTS_ABOVE_OCTETS", 1 << 40)
    budget = zip_contents._Budget(members=5, octets=1000)
    data = zipped({"1": zipped({str(n): b"" for n in range(3)}), "2": zipped({"x": b""})})
    with ZipContents([data], "2", None, budget) as contents:
        contents.nested(1).__exit__()
        with pytest.raises(LimitExceeded, match="1 members, where at most 0"):
            contents.nested(2)
    with pytest.raises(LimitExceeded, match="octets unpacked"):
        ZipContents([zipped({"x": bytes(1001)})], "2", None, zip_contents._Budget(octets=1000))


def test_a_size_that_is_not_true_yields_no_more_than_it_says() -> None:
    """Limits are counted by what an archive states, so more than that never comes out."""
    data = bytearray(zipped({"x": b"y" * 5000}))
    directory = data.rindex(b"PK\x01\x02")
    data[directory + 24 : directory + 28] = (10).to_bytes(4, "little")
    with opened(bytes(data)) as contents, pytest.raises(MailroomError, match="damaged"):
        list(contents.read(1))


@pytest.mark.parametrize("password", [None, "wrong"])
def test_encrypted_archive_says_what_is_missing(password: str | None) -> None:
    """And never which password was tried."""
    with opened(encrypted({"a.txt": b"secret"}, b"right"), password) as contents:
        with pytest.raises(MailroomError, match="encrypted") as caught:
            list(contents.members())
        assert "wrong" not in str(caught.value)


def test_encrypted_archive_is_read_with_its_password() -> None:
    """AES, and archives within, by the same password."""
    inner = encrypted({"b.txt": b"deep"}, b"pass")
    with opened(encrypted({"a.txt": b"secret", "in.zip": inner}, b"pass"), "pass") as contents:
        assert b"".join(contents.read(1)) == b"secret"
        with contents.nested(2) as nested:
            assert b"".join(nested.read(1)) == b"deep"


@pytest.mark.parametrize(
    "data", [b"", b"PK\x03\x04 no archive", zipped(FILES)[:60]], ids=["empty", "no zip", "cut"]
)
def test_damage_is_one_sentence(data: bytes) -> None:
    """Whatever the library says of it."""
    with pytest.raises(MailroomError, match="part 2 is a damaged archive"):
        opened(data)


def test_member_without_a_name_is_damage_or_no_member() -> None:
    """Python before 3.12 looks at the last letter of every name."""
    with (
        contextlib.suppress(MailroomError),
        opened(zipped({"nameless": b"1"}).replace(b"n", b"\0")) as contents,
    ):
        assert list(contents.members()) != []


@given(st.binary(min_size=1, max_size=4), st.integers(0, 400))
def test_any_damage_is_read_or_refused(octets: bytes, at: int) -> None:
    """Nothing else ever comes of it."""
    whole = zipped(FILES)
    data = whole[:at] + octets + whole[at + len(octets) :]
    with contextlib.suppress(MailroomError), opened(data) as contents:
        for member in contents.members():
            b"".join(contents.read(member.number))


@pytest.mark.parametrize(
    ("name", "charset"),
    [("Angebot für März.pdf", "utf-8"), ("Счета за декабрь.pdf", "cp866"), ("发票通知请查收.pdf", "gb18030")],
)
def test_names_without_a_charset_are_read_as_they_were_packed(name: str, charset: str) -> None:
    """Old programs write the octets of their system and do not say which."""
    raw = name.encode(charset)
    data = zipped({"x" * len(raw): b"1"}).replace(b"x" * len(raw), raw)
    with opened(data) as contents:
        (member,) = contents.members()
    assert member.name == name or charset == "cp866"
