"""The ASGI application of retrieved resources (PS3.18 chapters 9 and 10.4): a row of the table, its handler, the answer."""

from collections.abc import Awaitable, Callable
from typing import Any

from pacs.dicomweb.bulk import bulk, bulk_list
from pacs.dicomweb.call import Call
from pacs.dicomweb.capabilities import capabilities
from pacs.dicomweb.errors import answer
from pacs.dicomweb.frames import frames
from pacs.dicomweb.metadata import metadata
from pacs.dicomweb.objects import objects
from pacs.dicomweb.rendered import rendered, thumbnail
from pacs.dicomweb.reply import Reply, problem_reply
from pacs.dicomweb.resources import Match
from pacs.dicomweb.types import Receive, Scope, Send
from pacs.dicomweb.uri import uri

Handler = Callable[[Call], Awaitable[Reply]]
HANDLERS: dict[str, Handler] = {
    "bulk": bulk,
    "bulk_list": bulk_list,
    "capabilities": capabilities,
    "frames": frames,
    "metadata": metadata,
    "objects": objects,
    "rendered": rendered,
    "thumbnail": thumbnail,
    "uri": uri,
}


async def retrieve(services: Any, match: Match, scope: Scope, receive: Receive, send: Send) -> None:
    """Answers a request for a resource of the table."""
    try:
        reply = await HANDLERS[match.resource.handler](Call(scope, services, match))
    except Exception as error:
        reply = problem_reply(answer(error))
    await reply(scope, receive, send)
