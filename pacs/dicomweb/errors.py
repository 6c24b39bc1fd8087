"""Errors as HTTP answers (PS3.18 8.5): one table, one form of body."""

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from pacs.domain import errors as e

log = logging.getLogger("pacs.dicomweb")


class RangeNotSatisfiable(e.PacsError):
    """A Range header beyond the end."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the range lies outside of the {size} bytes there are")
        self.size = size


class MethodNotAllowed(e.PacsError):
    """The resource is there, the method is not; ``allowed`` are those it has."""

    def __init__(self, method: str, allowed: str) -> None:
        super().__init__(f"{method[:20]} is not possible here; {allowed} are")
        self.allowed = allowed


STATUS: dict[type[e.PacsError], int] = {
    e.PacsError: 500,
    e.Refused: 400,
    e.BadRequest: 400,
    e.NotFound: 404,
    e.NotAcceptable: 406,
    e.UnsupportedMedia: 415,
    e.TooLarge: 413,
    e.Conflict: 409,
    e.RenderFailed: 406,
    e.StorageFault: 503,
    e.StorageFull: 507,
    e.IndexFault: 503,
    e.ConfigFault: 500,
    RangeNotSatisfiable: 416,
    MethodNotAllowed: 405,
}


class Problem(NamedTuple):
    """An error answer; ``extra`` are headers of its own."""

    status: int
    body: bytes
    extra: Mapping[str, str] = {}

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """As ASGI wants them."""
        return [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(self.body)).encode()),
            (b"cache-control", b"no-store"),
            *((name.encode(), value.encode("latin-1")) for name, value in self.extra.items()),
        ]


def problem(status: int, detail: str, **more: Any) -> Problem:
    """``{"status","title","detail"}`` and what else is known."""
    try:
        title = HTTPStatus(status).phrase
    except ValueError:
        title = "Error"
    return Problem(status, json.dumps({"status": status, "title": title, "detail": detail, **more}).encode())


def status_of(kind: type[BaseException]) -> int:
    """The row of the nearest ancestor."""
    return next((STATUS[c] for c in kind.__mro__ if c in STATUS), 500)


def answer(error: BaseException) -> Problem:
    """The answer to an exception; what is not ours is logged and not told."""
    if not isinstance(error, e.PacsError):
        log.error("unexpected error", exc_info=error)
        return problem(500, "internal error; the server's log has the details")
    status = status_of(type(error))
    if status >= 500:
        log.error("%s: %s", type(error).__name__, error)
    if status == 500:
        return problem(500, "internal error; the server's log has the details")
    if isinstance(error, e.NotAcceptable):
        return problem(status, str(error), available=list(error.available))
    if isinstance(error, e.TooLarge) and error.limit is not None:
        return problem(status, str(error), limit=error.limit)
    if isinstance(error, RangeNotSatisfiable):
        return problem(status, str(error))._replace(extra={"content-range": f"bytes */{error.size}"})
    if isinstance(error, MethodNotAllowed):
        return problem(status, str(error))._replace(extra={"allow": error.allowed})
    return problem(status, str(error))
