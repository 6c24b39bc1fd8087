"""What the handlers of the router share: services, query, Accept, links."""

from typing import Any

from litestar import Request

from pacs.dicomweb import accept
from pacs.dicomweb.requests import base_url, pairs, ranges, settings_of

Req = Request[Any, Any, Any]


def services_of(request: Req) -> Any:
    """The services, as ``create_app`` put them."""
    return request.app.state.services


def base_of(request: Req) -> str | None:
    """The absolute root for links, or None."""
    settings = settings_of(services_of(request))
    return base_url(request.headers, settings.server_path, settings.public_url)


def query_of(request: Req) -> list[tuple[str, str]]:
    """The query string's pairs."""
    return pairs(request.scope["query_string"])


def accepts(request: Req) -> tuple[accept.MediaRange, ...]:
    """What the request accepts."""
    return ranges(query_of(request), request.headers.get("accept"))
