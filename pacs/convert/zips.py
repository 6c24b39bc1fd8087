"""A zip archive as a stream: nothing of an object's size in memory, sizes told behind each file (APPNOTE 4.3.9)."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from pacs.domain.ports import Buffer

_OLDEST = (1980, 1, 1, 0, 0, 0)
_CERTAIN = 1 << 31


class Member(NamedTuple):
    """A file of an archive; ``size`` None when it is known only at the end."""

    name: str
    pieces: Iterable[Buffer]
    size: int | None = None


class _Sink:
    """What :mod:`zipfile` writes to when it cannot go back."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: Buffer) -> int:
        self.written.append(bytes(data))
        return len(self.written[-1])

    def flush(self) -> None:
        """Nothing is held back."""

    def take(self) -> bytes:
        """What was written since."""
        data = b"".join(self.written)
        self.written.clear()
        return data


def stream(members: Iterable[Member]) -> Iterator[bytes]:
    """The archive, its files stored as they are, in order."""
    sink = _Sink()
    with ZipFile(sink, "w", ZIP_STORED) as archive:  # type: ignore[call-overload]
        for member in members:
            large = member.size is None or member.size >= _CERTAIN
            with archive.open(ZipInfo(member.name, _OLDEST), "w", force_zip64=large) as file:
                for piece in member.pieces:
                    file.write(piece)
                    yield sink.take()
    yield sink.take()
