"""What every resource reads out of a request: UIDs, query, Accept, base URL, ranges (PS3.18 8.2, 8.3)."""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any, ParamSpec, TypeVar
from urllib.parse import parse_qsl

import anyio.to_thread

from pacs.convert.coding import GZIP, IDENTITY, ZSTD
from pacs.dicomweb import accept
from pacs.dicomweb.errors import RangeNotSatisfiable
from pacs.domain.errors import BadRequest
from pacs.domain.uid import is_uid

P = ParamSpec("P")
R = TypeVar("R")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?\Z")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*\Z")


async def in_thread(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Runs a blocking call outside of the event loop."""
    return await anyio.to_thread.run_sync(partial(function, *args, **kwargs))


def header(scope: Any, name: bytes) -> str:
    """All values of a request header, joined by a comma; empty when absent."""
    return ", ".join(value.decode("latin-1") for key, value in scope["headers"] if key == name)


def uids(*texts: str | None) -> None:
    """BadRequest unless each is a UID (or None)."""
    for text in texts:
        if text is not None and not is_uid(text):
            raise BadRequest(f"{text[:70]!r} in the path is not a UID")


def pairs(query: bytes) -> list[tuple[str, str]]:
    """The query string, in order, empty values kept."""
    try:
        return parse_qsl(query.decode("utf-8", "replace"), keep_blank_values=True, errors="replace")
    except ValueError as error:
        raise BadRequest(f"the query string cannot be read: {error}") from None


def one(query: list[tuple[str, str]], name: str) -> str | None:
    """The value of a parameter that may be there once."""
    found = [value for key, value in query if key == name]
    if len(found) > 1:
        raise BadRequest(f"{name} is given {len(found)} times")
    return found[0] if found else None


def only(query: list[tuple[str, str]], *names: str) -> None:
    """BadRequest for a parameter the resource does not know: nothing is ignored in silence."""
    for name, _ in query:
        if name not in names and name != "accept":
            known = ", ".join((*names, "accept"))
            raise BadRequest(f"unknown query parameter {name[:70]!r}; known here: {known}")


def wanted(query: list[tuple[str, str]], header: str | None) -> str:
    """The Accept header, or instead the ``accept`` query parameter (PS3.18 8.3.3.1)."""
    given = [value for key, value in query if key == "accept"]
    return ",".join(given) or header or ""


def ranges(query: list[tuple[str, str]], header: str | None) -> tuple[accept.MediaRange, ...]:
    """Parsed :func:`wanted`."""
    return accept.parse(wanted(query, header))


@lru_cache(maxsize=256)
def coding(accepted: str) -> str:
    """The content coding to send of those an Accept-Encoding header lets through, gzip before zstd at equal q."""
    found = {one.media: one.q for one in accept.parse(accepted)} if accepted else {}
    star = found.get(accept.ANY, 0.0)
    gzip = max(found.get("gzip", star), found.get("x-gzip", 0.0))
    zstd = found.get("zstd", star)
    if not (gzip or zstd) or max(gzip, zstd) < found.get("identity", 0.0):
        return IDENTITY
    return GZIP if gzip >= zstd else ZSTD


def _forwarded(headers: Mapping[str, str]) -> tuple[str, str]:
    first = headers.get("forwarded", "").split(",")[0]
    _, found = accept.parameters(f"x;{first}")
    values = dict(found)
    return values.get("proto", ""), values.get("host", "")


def base_url(headers: Mapping[str, str], root: str, public: str | None) -> str | None:
    """The absolute URL of the DICOMweb root: ``publicUrl``, else what a proxy says, else None.

    The Host header alone is not enough: behind a proxy it is the inner host, and some clients leave the port out.
    What does not look like a host or a path is not believed: it becomes part of links.
    """
    if public:
        return public.rstrip("/")
    proto, host = _forwarded(headers)
    proto = headers.get("x-forwarded-proto", proto).split(",")[0].strip().lower()
    host = headers.get("x-forwarded-host", host).split(",")[0].strip()
    prefix = headers.get("x-forwarded-prefix", "").split(",")[0].strip().rstrip("/")
    if prefix and not prefix.startswith("/"):
        prefix = "/" + prefix
    if proto not in ("", "http", "https") or not _HOST.match(host) or not _PREFIX.match(prefix):
        return None
    if not prefix.endswith(root):
        prefix += root  # else the proxy names the whole service root, as one that maps /dicomweb to /dicomweb does
    return f"{proto or 'http'}://{host}{prefix}"


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """First and last byte of a single range (RFC 9110 14.2); None: send all."""
    unit, _, spec = (header or "").strip().partition("=")
    if unit.lower() != "bytes" or "," in spec:
        return None
    first, dash, last = (piece.strip() for piece in spec.partition("-"))
    digits = first + last
    if not dash or not (digits.isascii() and digits.isdigit() and len(digits) < 40):
        return None
    if first and last and int(last) < int(first):
        return None
    start, end = (int(first), int(last) if last else size - 1) if first else (max(size - int(last), 0), size - 1)
    if start >= size or (not first and int(last) == 0):
        raise RangeNotSatisfiable(size)
    return start, min(end, size - 1)


def settings_of(services: Any) -> Any:
    """The server's part of the settings."""
    return services.settings.server
