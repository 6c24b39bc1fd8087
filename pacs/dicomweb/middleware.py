"""The outermost ASGI layer: CORS (PS3.18 8.10), HEAD, OPTIONS, nosniff and a last catch for errors."""

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from pacs.dicomweb.errors import Problem, answer, problem
from pacs.dicomweb.reply import HEAD
from pacs.dicomweb.requests import header
from pacs.dicomweb.types import App, Message, Receive, Scope, Send

METHODS = ("GET", "HEAD", "POST", "OPTIONS")
HEADERS = "accept, authorization, content-type, range, if-range, if-none-match"
EXPOSED = "Content-Range, Content-Encoding, Content-Location, ETag, Warning"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def allowed_origins(options: Any) -> tuple[str, ...]:
    """The origins of ``corsOptions``: ``("*",)`` for any, empty for none."""
    origin = options.get("origin", "*") if isinstance(options, dict) else getattr(options, "origin", "*")
    if origin is True or origin is None:
        return ("*",)
    if origin is False:
        return ()
    return (origin,) if isinstance(origin, str) else tuple(str(one) for one in origin)


def is_loopback(origin: str) -> bool:
    """Whether an Origin header names this computer."""
    try:
        return urlsplit(origin).hostname in _LOOPBACK
    except ValueError:
        return False


class Edge:
    """Wraps the application: every answer, errors too, passes here.

    ``methods``: those of a path, none when nothing is there.  ``described``: whether OPTIONS of a path is answered by the
    application itself (PS3.18 8.9).
    """

    def __init__(
        self, app: App, origins: Iterable[str], methods: Callable[[str], tuple[str, ...]], described: Callable[[str], bool]
    ) -> None:
        self.app, self.methods, self.described = app, methods, described
        self.origins = tuple(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        origin = header(scope, b"origin")
        extra = self._extra(origin)
        preflight = header(scope, b"access-control-request-method")
        if scope["method"] == "OPTIONS" and (preflight or not self.described(scope["path"])):
            await _send(send, 204, [*extra, *_preflight(self.methods(scope["path"]) or METHODS)], b"")
        elif scope["method"] not in ("GET", "HEAD", "OPTIONS") and origin and not self._may_write(origin, scope):
            refused = problem(403, f"cross-origin {scope['method']} is not allowed from {origin[:100]}")
            await _send(send, refused.status, [*extra, *refused.headers], refused.body)
        else:
            await self._run(scope, receive, send, extra)

    def _extra(self, origin: str) -> list[tuple[bytes, bytes]]:
        found = [(b"x-content-type-options", b"nosniff")]
        if "*" in self.origins:
            found.append((b"access-control-allow-origin", b"*"))
        elif self.origins:
            found.append((b"vary", b"Origin"))
            if origin in self.origins:
                found.append((b"access-control-allow-origin", origin.encode("latin-1")))
        if self.origins:
            found.append((b"access-control-expose-headers", EXPOSED.encode()))
        return found

    def _may_write(self, origin: str, scope: Scope) -> bool:
        """Same origin, an origin on this computer, or one that is listed."""
        return origin in self.origins or is_loopback(origin) or urlsplit(origin).netloc == header(scope, b"host")

    async def _run(self, scope: Scope, receive: Receive, send: Send, extra: list[tuple[bytes, bytes]]) -> None:
        head = scope["method"] == "HEAD"
        started = False

        async def out(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message = {**message, "headers": [*message["headers"], *extra]}
            elif head:
                message = {**message, "body": b""}
            await send(message)

        try:
            await self.app({**scope, "method": "GET", HEAD: True} if head else scope, receive, out)
        except Exception as error:
            if started:
                raise
            told: Problem = answer(error)
            await _send(out, told.status, told.headers, told.body)


def _preflight(methods: tuple[str, ...]) -> list[tuple[bytes, bytes]]:
    allowed = ", ".join(methods).encode()
    return [
        (b"allow", allowed),
        (b"access-control-allow-methods", allowed),
        (b"access-control-allow-headers", HEADERS.encode()),
        (b"access-control-max-age", b"7200"),
    ]


async def _send(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
