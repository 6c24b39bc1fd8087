"""Memory does not grow with the size of an object: every kind of file by both doors under one bound."""

import json
import shutil
import struct
import subprocess
import sys
import zlib
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.dicom.made import DEFLATED, EXPLICIT, explicit, file, image

DATA = Path(__file__).parent / "data"
MOST = 300 << 20
FRAME = 512 * 512 * 2
FRAMES = 800
DOORS = ("received", "created")


def _peak(door: str, root: Path, paths: list[Path]) -> tuple[int, int]:
    """How many were stored and the peak of the process that did it."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.peak", door, str(root)],
        input="\n".join(map(str, paths)), capture_output=True, text=True, timeout=500, cwd=DATA.parent.parent,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    stored, peak = done.stdout.split()
    return int(stored), int(peak)


def _kinds() -> list[Path]:
    """All files that are odd or rare, and of each study folder the three largest."""
    found: list[Path] = []
    folders: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for entry in json.loads((DATA / "manifest.json").read_text())["files"]:
        if entry["path"].startswith("studies/"):
            folders[entry["path"].rsplit("/", 1)[0]].append(entry)
        else:
            found.append(DATA / entry["path"])
    for entries in folders.values():
        found += [DATA / entry["path"] for entry in sorted(entries, key=lambda entry: -entry["bytes"])[:3]]
    return found


@pytest.mark.parametrize("door", DOORS)
def test_every_kind_of_file(door: str, tmp_path: Path) -> None:
    stored, peak = _peak(door, tmp_path / "root", _kinds())
    assert stored > 150
    assert peak < MOST


def _body() -> bytes:
    """The data set of a file of 400 MB up to its pixels."""
    raw = image(FRAMES, 512, 512, 16, b"")
    return raw[len(file(b"")) : -4] + struct.pack("<I", FRAMES * FRAME)


def _meta(syntax: str) -> bytes:
    return bytes(128) + b"DICM" + explicit(0x00020010, b"UI", syntax.encode() + b"\0" * (len(syntax) % 2))


def _sparse(path: Path, head: bytes) -> None:
    """Its frames are zeros that take no space."""
    with path.open("wb") as out:
        out.write(head)
        out.truncate(len(head) + FRAMES * FRAME)


def _native(path: Path) -> None:
    _sparse(path, _meta(EXPLICIT) + _body())


def _bare(path: Path) -> None:
    """Without preamble and meta group: the file is written anew."""
    _sparse(path, _body())


def _deflated(path: Path) -> None:
    packer = zlib.compressobj(1, wbits=-15)
    with path.open("wb") as out:
        out.write(_meta(DEFLATED) + packer.compress(_body()))
        for _ in range(FRAMES):
            out.write(packer.compress(bytes(FRAME)))
        out.write(packer.flush())


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("make", [_native, _deflated, _bare])
def test_a_file_larger_than_the_bound(make: Callable[[Path], None], door: str, tmp_path: Path) -> None:
    assert FRAMES * FRAME > MOST
    make(tmp_path / "large.dcm")
    stored, peak = _peak(door, tmp_path / "root", [tmp_path / "large.dcm"])
    shutil.rmtree(tmp_path)  # large: not to be kept as other tests' files are
    assert stored == 1
    assert peak < MOST
