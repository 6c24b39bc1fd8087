"""The ASGI application: frames in front, everything else by the router, one edge around both."""

from pathlib import Path
from typing import Any

from litestar import Litestar, MediaType, Response, Router, get
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.response import File

from pacs.dicomweb import page as html
from pacs.dicomweb import search, stow, wado
from pacs.dicomweb.errors import Problem, answer, problem
from pacs.dicomweb.frames import Frames, match
from pacs.dicomweb.middleware import Edge, allowed_origins
from pacs.dicomweb.requests import RangeNotSatisfiable, in_thread, settings_of
from pacs.dicomweb.types import App, Receive, Scope, Send
from pacs.dicomweb.wado import Req
from pacs.domain.errors import NotFound


def _response(told: Problem, headers: dict[str, str] | None = None) -> Response[bytes]:
    given = {"content-type": "application/json", "cache-control": "no-store", **(headers or {})}
    return Response(told.body, status_code=told.status, headers=given, media_type="application/json")


def _on_error(_: Req, error: Exception) -> Response[bytes]:
    return _response(answer(error))


def _on_range(_: Req, error: RangeNotSatisfiable) -> Response[bytes]:
    return _response(problem(416, str(error)), {"content-range": f"bytes */{error.size}"})


def takes_post(path: str, root: str) -> bool:
    """Whether objects can be stored at this path (Table 10.5.1-1)."""
    pieces = path.removeprefix(root).strip("/").split("/")
    return pieces in (["studies"], ["instances"]) or (len(pieces) == 2 and pieces[0] == "studies")


def _on_http(request: Req, error: HTTPException) -> Response[bytes]:
    """The router's own errors: 404, 405 and the like."""
    if error.status_code == 405:
        root = settings_of(wado.services_of(request)).server_path
        allowed = "GET, HEAD, POST, OPTIONS" if takes_post(request.scope["path"], root) else "GET, HEAD, OPTIONS"
        return _response(problem(405, f"{request.method} is not possible here"), {"allow": allowed})
    if error.status_code >= 500:
        return _response(answer(error))
    detail = "nothing is here" if error.status_code == 404 else str(error.detail)
    return _response(problem(error.status_code, detail))


@get("/health", sync_to_thread=False)
def health() -> Response[bytes]:
    """Whether the process answers."""
    return wado.raw(b'{"status":"ok"}', "application/json", {"cache-control": "no-store"})


def _status_page(path: str, root: str) -> Any:
    body = html.page(root)
    headers = {"content-security-policy": html.POLICY, "cache-control": "no-cache", "referrer-policy": "no-referrer"}

    @get(path, sync_to_thread=False, media_type=MediaType.HTML)
    def status_page() -> Response[bytes]:
        return Response(body, media_type="text/html; charset=utf-8", headers=headers)

    return status_page


def client_file(folder: Path, path: str) -> Path:
    """The file of the viewer's folder; its ``index.html`` for routes of a single-page application."""
    wanted = (folder / path.lstrip("/")).resolve()
    inside = wanted.is_relative_to(folder)
    if inside and wanted.is_file():
        return wanted
    index = folder / "index.html"
    if not inside or "." in wanted.name or not index.is_file():
        raise NotFound("nothing is here")
    return index


def _client(folder: Path, root: str) -> Any:
    @get(["/", "/{path:path}"])
    async def client(request: Req) -> File:
        path = request.scope["path"]
        if root and (path == root or path.startswith(root + "/")):
            raise NotFound("nothing is here")
        return File(await in_thread(client_file, folder, path), content_disposition_type="inline")

    return client


def _router(services: Any, root: str) -> Litestar:
    client_dir = services.settings.client_dir
    resources = Router(root or "/", route_handlers=[*wado.HANDLERS, *stow.HANDLERS])
    extra = [_status_page("/status.html" if client_dir else "/", root)]
    if client_dir:
        extra.append(_client(Path(client_dir).resolve(), root))
    return Litestar(
        [resources, health, *extra],
        state=State({"services": services}),
        exception_handlers={RangeNotSatisfiable: _on_range, HTTPException: _on_http, Exception: _on_error},
        request_max_body_size=None,
        openapi_config=None,
        logging_config=None,
        debug=False,
    )


def create_app(services: Any) -> App:
    """The application over assembled services."""
    settings = settings_of(services)
    root: str = settings.server_path
    frames, router = Frames(services, root), _router(services, root)
    searches = search.Searches(services, root)

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "GET" and match(scope["path"], root) is not None:
            await frames(scope, receive, send)
        elif scope["type"] == "http" and search.takes(scope, root):
            await searches(scope, receive, send)
        else:
            await router(scope, receive, send)  # type: ignore[arg-type]

    cors = settings.cors_options
    return Edge(dispatch, allowed_origins(cors) if getattr(cors, "enabled", True) else ())


def from_environment() -> App:
    """A factory for other ASGI servers: settings as :func:`pacs.config.load` finds them."""
    from pacs.bootstrap import assemble
    from pacs.config import load

    return create_app(assemble(load()))
