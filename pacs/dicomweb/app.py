"""The ASGI application: retrieved resources by their table, everything else by the router, one edge around both."""

from pathlib import Path
from typing import Any

import orjson
from litestar import Litestar, MediaType, Response, Router, get
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.response import File

from pacs.dicomweb import capabilities, openapi, resources, search, stow
from pacs.dicomweb import page as html
from pacs.dicomweb.errors import MethodNotAllowed, Problem, answer, problem
from pacs.dicomweb.middleware import Edge, allowed_origins
from pacs.dicomweb.reply import problem_reply, raw
from pacs.dicomweb.requests import in_thread, settings_of
from pacs.dicomweb.routed import Req, services_of
from pacs.dicomweb.types import App, Receive, Scope, Send
from pacs.dicomweb.wado import retrieve
from pacs.domain.errors import NotFound


def _response(told: Problem) -> Response[bytes]:
    given = {"content-type": "application/json", "cache-control": "no-store", **told.extra}
    return Response(told.body, status_code=told.status, headers=given, media_type="application/json")


def _on_error(_: Req, error: Exception) -> Response[bytes]:
    return _response(answer(error))


def _on_http(request: Req, error: HTTPException) -> Response[bytes]:
    """The router's own errors: 404, 405 and the like."""
    if error.status_code == 405:
        root = settings_of(services_of(request)).server_path
        allowed = resources.methods(request.scope["path"].removeprefix(root)) or ("GET", "HEAD", "OPTIONS")
        return _response(answer(MethodNotAllowed(request.method, ", ".join(allowed))))
    if error.status_code >= 500:
        return _response(answer(error))
    detail = "nothing is here" if error.status_code == 404 else str(error.detail)
    return _response(problem(error.status_code, detail))


@get("/health", sync_to_thread=False)
def health() -> Response[bytes]:
    """Whether the process answers."""
    return raw(b'{"status":"ok"}', "application/json", {"cache-control": "no-store"})


def _documents(root: str) -> list[Any]:
    """What is made from the table once: the OpenAPI document and the conformance statement."""
    described = orjson.dumps(openapi.document(root))
    statement = capabilities.page()

    @get("/openapi.json", sync_to_thread=False)
    def openapi_json() -> Response[bytes]:
        return raw(described, "application/json", {"cache-control": "no-cache"})

    @get("/conformance", sync_to_thread=False)
    def conformance() -> Response[bytes]:
        headers = {"content-security-policy": "default-src 'none'", "cache-control": "no-cache"}
        return raw(statement, "text/html; charset=utf-8", headers)

    return [openapi_json, conformance]


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
    service = Router(root or "/", route_handlers=[*stow.HANDLERS])
    extra = [_status_page("/status.html" if client_dir else "/", root)]
    if client_dir:
        extra.append(_client(Path(client_dir).resolve(), root))
    return Litestar(
        [service, health, *_documents(root), *extra],
        state=State({"services": services}),
        exception_handlers={HTTPException: _on_http, Exception: _on_error},
        request_max_body_size=None,
        openapi_config=None,
        logging_config=None,
        debug=False,
    )


def create_app(services: Any) -> App:
    """The application over assembled services."""
    settings = settings_of(services)
    root: str = settings.server_path
    router, searches = _router(services, root), search.Searches(services, root)

    def below(path: str) -> str | None:
        """The path within the service, None outside of it."""
        return path[len(root) :] if path == root or path.startswith(root + "/") else None

    def methods(path: str) -> tuple[str, ...]:
        within = below(path)
        return resources.methods(within) if within is not None else ()

    def described(path: str) -> bool:
        return below(path) in ("", "/")

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        within = below(scope["path"]) if scope["type"] == "http" else None
        if within is None:
            await router(scope, receive, send)  # type: ignore[arg-type]
            return
        method = scope["method"]
        found = resources.find("/capabilities" if method == "OPTIONS" else within)
        if found is not None and method in ("GET", "OPTIONS"):
            await retrieve(services, found, scope, receive, send)
        elif found is not None and method not in resources.methods(within):
            refused = MethodNotAllowed(method, ", ".join(resources.methods(within)))
            await problem_reply(answer(refused))(scope, receive, send)
        elif search.takes(scope, root):
            await searches(scope, receive, send)
        else:
            await router(scope, receive, send)  # type: ignore[arg-type]

    cors = settings.cors_options
    return Edge(dispatch, allowed_origins(cors) if getattr(cors, "enabled", True) else (), methods, described)


def from_environment() -> App:
    """A factory for other ASGI servers: settings as :func:`pacs.config.load` finds them."""
    from pacs.bootstrap import assemble
    from pacs.config import load

    return create_app(assemble(load()))
