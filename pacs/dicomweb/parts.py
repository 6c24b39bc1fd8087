"""Bodies of ``multipart/related`` (RFC 2387): the part header is exactly ``Content-Type: ...``, viewers read it by eye."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping

from pacs.domain.ports import Buffer

Part = tuple[str, Iterable[Buffer]]


def boundary(*names: str | None) -> str:
    """The same for every request of a resource, so that ranges and caches hold."""
    return "part-" + hashlib.blake2b("/".join(name or "" for name in names).encode(), digest_size=16).hexdigest()


def head(kind: str, mark: str, more: Mapping[str, str] | None = None) -> bytes:
    """What comes before a part's content."""
    lines = [f"--{mark}", f"Content-Type: {kind}", *(f"{name}: {value}" for name, value in (more or {}).items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def multipart(parts: Iterable[Part], mark: str) -> Iterator[Buffer]:
    """The body, a part after the other."""
    for kind, pieces in parts:
        yield head(kind, mark)
        yield from pieces
        yield b"\r\n"
    yield f"--{mark}--\r\n".encode()


def length(sizes: Iterable[tuple[str, int]], mark: str) -> int:
    """The length of :func:`multipart` of contents of known size."""
    return sum(len(head(kind, mark)) + size + 2 for kind, size in sizes) + len(mark) + 6
