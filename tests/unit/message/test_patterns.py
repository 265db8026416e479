"""Regular expressions that look through mail: their time grows with its length only.

Nothing is timed here. Where a pattern is searched for and begins with a repetition without end, a run of
what it repeats is looked through again from each of its characters, if what should follow is not there.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import mailroom.message
import mailroom.protocol

SEARCHING = ("search", "sub", "subn", "split", "finditer", "findall")

BEGINS_WITHOUT_END = re.compile(
    r"(?:\(\?:|\((?!\?))*(?:\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|[^\\()\[^$|])(?:[*+]|\{\d*,\})[+?]?", re.S
)
"""One character or class, repeated without end; a look behind before it is what keeps it from the middle."""

FOLLOWED_BY_NOTHING = re.compile(r"\)*|\((?:\\.|[^()\\])*\)\?")
"""What may follow, for the run is matched whatever comes."""

PACKAGES = (mailroom.message, mailroom.protocol)
MODULES = [
    importlib.import_module(f"{package.__name__}.{found.name}")
    for package in PACKAGES
    for found in pkgutil.iter_modules(package.__path__)
]


def searched_patterns(module: ModuleType) -> Iterator[tuple[str, str]]:
    """Yield name and text of the patterns of a module that are looked for anywhere in a text."""
    assert module.__file__ is not None
    for node in ast.walk(ast.parse(Path(module.__file__).read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner, first = node.func.value, node.args[0] if node.args else None
            if node.func.attr not in SEARCHING or not isinstance(owner, ast.Name):
                continue
            pattern = getattr(module, owner.id, None)
            if isinstance(pattern, re.Pattern):
                yield owner.id, text_of(pattern.pattern)
            elif owner.id == "re" and isinstance(first, ast.Constant):
                yield f"line {node.lineno}", text_of(first.value)


def text_of(pattern: object) -> str:
    return pattern.decode("latin-1") if isinstance(pattern, bytes) else str(pattern)


def is_looked_through_again(pattern: str) -> bool:
    """Return whether a pattern begins with a run that may come to nothing."""
    beginning = BEGINS_WITHOUT_END.match(pattern)
    return beginning is not None and FOLLOWED_BY_NOTHING.fullmatch(pattern[beginning.end() :]) is None


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.__name__))
def test_no_run_is_looked_through_from_each_of_its_characters(module: ModuleType) -> None:
    """A run of blanks, or of anything else, that a sender puts into a message costs its length once."""
    found = {name: text for name, text in searched_patterns(module) if is_looked_through_again(text)}
    assert found == {}


@pytest.mark.parametrize(
    ("pattern", "is_so"),
    [
        (r"\s*+\.\s*+", True),
        (r"([A-Z]+) (\d+)", True),
        (r"=+\s*(?=x)", True),
        (r"(?:[^x]{3,})x", True),
        (r"(?<!\s)\s++\.", False),
        (r"[\s\0]+", False),
        (r"(\d++)", False),
        (r"\r++(\n|\Z)?", False),
        (r";\s*x", False),
        (r"x{1,4}y", False),
    ],
)
def test_what_is_looked_for_here(pattern: str, *, is_so: bool) -> None:
    """The rule itself, by examples."""
    assert is_looked_through_again(pattern) is is_so
