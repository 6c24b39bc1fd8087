"""Where ``mkdicomweb create`` finds files: files, folders, .gz, .zip, DICOMDIR media."""

import gzip
import mmap
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO, NamedTuple

from pacs.domain.errors import PacsError, Refused
from pacs.domain.ports import Buffer
from pacs.domain.scratch import Scratch

GZIP = b"\x1f\x8b"
MAP_OVER = 1 << 20
"""Smaller files are read: cheaper than a map, and out of reach of whoever truncates them meanwhile."""
PIECE = 1 << 20


class Source(NamedTuple):
    """One file to store: its path, and the member for one inside a zip archive."""

    path: str
    member: str = ""

    @property
    def name(self) -> str:
        return f"{self.path}!/{self.member}" if self.member else self.path


def find(paths: list[str]) -> Iterator[Source]:
    """Every file below the paths, in path order."""
    for path in paths:
        if os.path.isdir(path):
            for name in sorted(_walk(path)):
                yield from _expand(name)
        elif os.path.basename(path).upper() == "DICOMDIR" and os.path.isfile(path):
            yield from _media(path)
        else:
            yield from _expand(path)


def _walk(folder: str) -> Iterator[str]:
    for top, folders, names in os.walk(folder):
        folders.sort()
        for name in names:
            yield os.path.join(top, name)


def _expand(path: str) -> Iterator[Source]:
    if not path.lower().endswith(".zip"):
        yield Source(path)
        return
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(info.filename for info in archive.infolist() if not info.is_dir())
    except (OSError, zipfile.BadZipFile):
        yield Source(path)  # read() says what is wrong with it
        return
    for name in names:
        yield Source(path, name)


def _media(path: str) -> Iterator[Source]:
    """The files a DICOMDIR refers to (PS3.3 F.3); those outside its folder are left out."""
    from pydicom import dcmread

    root = Path(path).parent.resolve()
    try:
        records = dcmread(path).get("DirectoryRecordSequence") or []
    except Exception:  # pydicom raises many kinds; the file itself is then refused with our own reason
        yield Source(path)
        return
    for record in records:
        parts = record.get("ReferencedFileID")
        if parts:
            target = root.joinpath(*([parts] if isinstance(parts, str) else list(parts)))
            if target.resolve().is_relative_to(root):
                yield Source(str(target))


def read(source: Source, most: int) -> Buffer:
    """The bytes, unpacked; large ones are mapped, so that no file is in memory whole.

    Raises :class:`Refused`; ``most`` bounds what an archive may unpack to.
    """
    try:
        if source.member:
            with zipfile.ZipFile(source.path) as archive, archive.open(source.member) as member:
                return _unpacked(member, most)
        with open(source.path, "rb") as file:
            if file.read(2) != GZIP:
                return _plain(file)
        with gzip.open(source.path) as packed:
            return _unpacked(packed, most)
    except PacsError:
        raise
    except (OSError, EOFError, RuntimeError, NotImplementedError, ValueError, zipfile.BadZipFile) as fault:
        raise Refused(f"cannot be read: {fault}") from None
    except Exception as fault:  # zlib.error has no common base with the others
        raise Refused(f"cannot be unpacked: {fault}") from None


def _plain(file: BinaryIO) -> Buffer:
    if os.fstat(file.fileno()).st_size > MAP_OVER:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    file.seek(0)
    return file.read()


def _unpacked(packed: IO[bytes] | gzip.GzipFile, most: int) -> Buffer:
    out = Scratch()
    while piece := packed.read(PIECE):
        if out.size + len(piece) > most:
            raise Refused(f"unpacks to more than {most} bytes (staticWadoConfig.maxInflatedBytes)")
        out.write(piece)
    return out.view()
