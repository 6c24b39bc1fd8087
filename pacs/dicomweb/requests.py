"""What every resource reads out of a request: UIDs, query, Accept, base URL, ranges (PS3.18 8.2, 8.3)."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ParamSpec, TypeVar
from urllib.parse import parse_qsl

import anyio.to_thread

from pacs.dicomweb import accept
from pacs.domain.errors import BadRequest, PacsError
from pacs.domain.uid import is_uid

P = ParamSpec("P")
R = TypeVar("R")
DEFAULT_QUALITY = 85


async def in_thread(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Runs a blocking call outside of the event loop."""
    return await anyio.to_thread.run_sync(partial(function, *args, **kwargs))


def uids(*texts: str | None) -> None:
    """BadRequest unless each is a UID (or None)."""
    for text in texts:
        if text is not None and not is_uid(text):
            raise BadRequest(f"{text[:70]!r} in the path is not a UID")


def pairs(query: bytes) -> list[tuple[str, str]]:
    """The query string, in order, empty values kept."""
    return parse_qsl(query.decode("utf-8", "replace"), keep_blank_values=True, errors="replace")


def one(query: list[tuple[str, str]], name: str) -> str | None:
    """The value of a parameter that may be there once."""
    found = [value for key, value in query if key == name]
    if len(found) > 1:
        raise BadRequest(f"{name} is given {len(found)} times")
    return found[0] if found else None


def wanted(query: list[tuple[str, str]], header: str | None) -> str:
    """The Accept header, or instead the ``accept`` query parameter (PS3.18 8.3.3.1)."""
    given = [value for key, value in query if key == "accept"]
    return ",".join(given) or header or ""


def ranges(query: list[tuple[str, str]], header: str | None) -> list[accept.MediaRange]:
    """Parsed :func:`wanted`."""
    return accept.parse(wanted(query, header))


def _forwarded(headers: Mapping[str, str]) -> tuple[str, str]:
    first = headers.get("forwarded", "").split(",")[0]
    _, found = accept.parameters(f"x;{first}")
    values = dict(found)
    return values.get("proto", ""), values.get("host", "")


def base_url(headers: Mapping[str, str], root: str, public: str | None) -> str | None:
    """The absolute URL of the DICOMweb root: ``publicUrl``, else what a proxy says, else None.

    The Host header alone is not enough: behind a proxy it is the inner host, and some clients leave the port out.
    """
    if public:
        return public.rstrip("/")
    proto, host = _forwarded(headers)
    proto = headers.get("x-forwarded-proto", proto).split(",")[0].strip()
    host = headers.get("x-forwarded-host", host).split(",")[0].strip()
    prefix = headers.get("x-forwarded-prefix", "").split(",")[0].strip().strip("/")
    if not host or proto not in ("", "http", "https") or any(c in host for c in "/\\@\"'<> "):
        return None
    path = f"/{prefix}" if prefix else ""
    if not path.endswith(root):
        path += root  # else the proxy names the whole service root, as one that maps /dicomweb to /dicomweb does
    return f"{proto or 'http'}://{host}{path}"


def numbers(text: str | None, name: str, counts: tuple[int, ...]) -> list[str] | None:
    """A comma list with one of the allowed numbers of members."""
    if text is None:
        return None
    found = [piece.strip() for piece in text.split(",")]
    if len(found) not in counts:
        raise BadRequest(f"{name}={text[:60]!r}: wrong number of values")
    return found


def viewport(text: str | None) -> tuple[int, int] | None:
    """``viewport=W,H`` (PS3.18 8.3.5.1.3); a source region is not supported."""
    found = numbers(text, "viewport", (2,))
    if found is None:
        return None
    try:
        width, height = (round(float(piece)) for piece in found)
    except (ValueError, OverflowError):
        raise BadRequest(f"viewport={text!r}: two numbers are wanted") from None
    if not (0 < width <= 16384 and 0 < height <= 16384):
        raise BadRequest(f"viewport={text!r}: width and height from 1 to 16384")
    return width, height


def quality(text: str | None) -> int:
    """``quality`` from 1 to 100 (PS3.18 8.3.5.1.2)."""
    if text is None:
        return DEFAULT_QUALITY
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= 100):
        raise BadRequest(f"quality={text[:60]!r}: a whole number from 1 to 100 is wanted")
    return int(text)


def window(text: str | None) -> tuple[float, float] | None:
    """``window=center,width[,linear]`` (PS3.18 8.3.5.1.4); the other functions are not drawn."""
    found = numbers(text, "window", (2, 3))
    if found is None:
        return None
    try:
        center, width = float(found[0]), float(found[1])
    except ValueError:
        raise BadRequest(f"window={text!r}: center and width are numbers") from None
    if found[2:] and found[2].lower() != "linear":
        raise BadRequest(f"window={text!r}: the function can only be linear")
    if not (abs(center) < 1e12 and 0 < width < 1e12):
        raise BadRequest(f"window={text!r}: the width has to be above 0")
    return center, width


class RangeNotSatisfiable(PacsError):
    """A Range header beyond the end (416)."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the range lies outside of the {size} bytes there are")
        self.size = size


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """First and last byte of a single range (RFC 9110 14.2); None: send all."""
    unit, _, spec = (header or "").strip().partition("=")
    if unit.lower() != "bytes" or "," in spec:
        return None
    first, dash, last = (piece.strip() for piece in spec.partition("-"))
    if not dash or not (first + last).isdigit() or (first and last and int(last) < int(first)):
        return None
    start, end = (int(first), int(last) if last else size - 1) if first else (max(size - int(last), 0), size - 1)
    if start >= size or (not first and last and int(last) == 0):
        raise RangeNotSatisfiable(size)
    return start, min(end, size - 1)


def settings_of(services: Any) -> Any:
    """The server's part of the settings."""
    return services.settings.server
