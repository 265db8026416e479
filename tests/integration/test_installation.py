"""What is packed and installed, with the compiled reader and without it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKED = ("setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")
READER = "mailroom/message/compiled/plain"
LEFT_OUT = "mailroom: The compiled reader is left out"

READ = """\
import sys
import mailroom.message as message
found = message.index_message(b"From: Ana <ana@example.org>\\r\\nSubject: Rechnung\\r\\n\\r\\nHola\\r\\n")
print(message.__file__)
print(found.subject, found.sender, found.text, sep="|")
print("compiled" if "mailroom.message.compiled.plain" in sys.modules else "pure Python")
"""
FOUND = "Rechnung|Ana <ana@example.org>|Hola"


def compiler() -> str | None:
    """Return the C compiler with which extensions are built here, if there is one."""
    stated = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    return shutil.which(str(stated).split()[0])


def build(what: str, source: Path, place: Path, **environment: str) -> tuple[Path, str]:
    """Build what an installer builds, and return it with all that was said meanwhile."""
    copy = Path(shutil.copytree(source, place / "source"))  # what an earlier build left there would be packed
    code = f"import sys; from setuptools import build_meta; print(build_meta.build_{what}(sys.argv[1]))"
    inherited = {name: value for name, value in os.environ.items() if name != "MAILROOM_PURE_PYTHON"}
    ran = subprocess.run(
        [sys.executable, "-c", code, str(place)],
        cwd=copy,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return place / ran.stdout.splitlines()[-1], ran.stdout + ran.stderr


def names(wheel: Path) -> list[str]:
    """Return the files of a wheel."""
    with zipfile.ZipFile(wheel) as packed:
        return packed.namelist()


def run_installed(place: Path, *words: str) -> list[str]:
    """Return the lines that Python prints where only what was installed at a place is found."""
    inherited = {name: value for name, value in os.environ.items() if name != "MAILROOM_PURE_PYTHON"}
    return subprocess.run(
        [sys.executable, *words],
        cwd=place.parent,
        env={**inherited, "PYTHONPATH": str(place)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()


def installed(wheel: Path, place: Path) -> str:
    """Install a wheel, read a message, and return which reader read it."""
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(place)
    where, found, reader = run_installed(place, "-c", READ)
    assert where.startswith(str(place))
    assert found == FOUND
    return reader


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, unpacked, as an installer has it."""
    checkout = tmp_path_factory.mktemp("checkout")
    for name in PACKED:
        shutil.copy(REPOSITORY / name, checkout)
    ignored = shutil.ignore_patterns("__pycache__", "*.so", "*.c", "*.egg-info")
    shutil.copytree(REPOSITORY / "plugins", checkout / "plugins", ignore=ignored)
    packed, _ = build("sdist", checkout, tmp_path_factory.mktemp("packed") / "dist")
    with tarfile.open(packed) as archive:
        archive.extractall(packed.parent, filter="data")
    return packed.parent / packed.name.removesuffix(".tar.gz")


def test_the_source_distribution_has_what_is_compiled_and_nothing_that_was(source: Path) -> None:
    """Whoever installs from it compiles for their own machine."""
    assert (source / "setup.py").exists()
    folders = sorted(REPOSITORY.glob("plugins/mailroom/*/compiled"))
    assert len(folders) == 2
    for compiled in folders:
        wanted = {path.name for path in compiled.iterdir() if path.suffix in (".py", ".pyi", ".pyx", ".pxd")}
        packed = {path.name for path in (source / compiled.relative_to(REPOSITORY)).iterdir()}
        assert packed == wanted
    assert (source / "plugins" / f"{READER}.pyx").exists()
    assert not [*source.rglob("*.so"), *source.rglob("*.c")]


@pytest.mark.skipif(compiler() is None, reason="there is no C compiler")
def test_a_wheel_brings_the_compiled_reader(source: Path, tmp_path: Path) -> None:
    """It is for one Python on one kind of machine, typed, and used; damaged, it is left out."""
    wheel, said = build("wheel", source, tmp_path / "dist")
    found = names(wheel)
    assert LEFT_OUT not in said
    assert f"{READER}{sysconfig.get_config_var('EXT_SUFFIX')}" in found
    assert {f"{READER}.pyi", "mailroom/py.typed"} <= set(found)
    assert not [name for name in found if name.endswith(".c")]
    assert "-any" not in wheel.name
    place = tmp_path / "installed"
    assert installed(wheel, place) == "compiled"
    for module in place.rglob("mailroom/**/*.so"):
        module.write_bytes(module.read_bytes()[:100])
    assert run_installed(place, "-c", READ)[1:] == [FOUND, "pure Python"]
    assert "the compiled reader cannot be loaded" in run_installed(place, "-m", "mailroom", "--version")[0]


@pytest.mark.parametrize("environment", [{"CC": "/bin/false"}, {"PATH": "/nowhere", "CC": "gcc"}])
def test_without_a_compiler_the_installation_succeeds(
    source: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    """One that fails, or none: it says so in one sentence, and mail is read in pure Python."""
    wheel, said = build("wheel", source, tmp_path / "dist", **environment)
    assert said.count(LEFT_OUT) == 1
    assert not [name for name in names(wheel) if name.endswith(".so")]
    assert installed(wheel, tmp_path / "installed") == "pure Python"


def test_a_wheel_of_pure_python_is_for_every_machine(source: Path, tmp_path: Path) -> None:
    """Who asks for no compiled reader gets a wheel that installs everywhere."""
    wheel, said = build("wheel", source, tmp_path / "dist", MAILROOM_PURE_PYTHON="1")
    assert "MAILROOM_PURE_PYTHON is set" in said
    assert wheel.name.endswith("-py3-none-any.whl")
    assert not [name for name in names(wheel) if name.endswith(".so")]
    assert installed(wheel, tmp_path / "installed") == "pure Python"


def test_without_cython_the_installation_succeeds(source: Path, tmp_path: Path) -> None:
    """As it does where build isolation is off and nobody brought it."""
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "sitecustomize.py").write_text(
        "import importlib.util\n"
        "find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *rest: None if name == 'Cython' else find(name, *rest)\n"
    )
    wheel, said = build("wheel", source, tmp_path / "dist", PYTHONPATH=str(blocked))
    assert "Cython is not installed" in said
    assert not [name for name in names(wheel) if name.endswith(".so")]
