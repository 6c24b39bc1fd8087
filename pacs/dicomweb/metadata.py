"""Metadata (PS3.18 10.4.1.1.2): DICOM JSON, or Native DICOM Model XML a part."""

from collections.abc import Iterator
from typing import Any

import orjson

from pacs.dicomweb.call import Call
from pacs.dicomweb.parts import boundary, multipart
from pacs.dicomweb.reply import Reply, stream_reply, unchanged
from pacs.dicomweb.requests import in_thread, only
from pacs.dicomweb.resources import JSON_TYPES
from pacs.services.retrieve import Document, Shape, etag

VARY = "Accept, Accept-Encoding, Forwarded, X-Forwarded-Host, X-Forwarded-Proto, X-Forwarded-Prefix"


async def metadata(call: Call) -> Reply:
    """Metadata at three levels."""
    only(call.query)
    return await (xml(call) if call.choose().name == "xml" else json(call))


async def state_of(call: Call) -> str:
    """The state of the resource; in the event loop when that is only a look."""
    retrieve, target = call.services.retrieve, call.target
    found: str = retrieve.state(target) if call.services.repository.local else await in_thread(retrieve.state, target)
    return found


async def json(call: Call) -> Reply:
    """All data sets below, an array; the stored gzip passes through."""
    retrieve, target, shape = call.services.retrieve, call.target, Shape(call.base, call.coding)
    state = await state_of(call)
    early = unchanged(call.scope, _headers(state, shape))
    if early is not None:
        return early
    found: Document = retrieve.ready(target, shape, state) or await in_thread(retrieve.metadata, target, shape, state)
    return Reply(200, {"content-type": JSON_TYPES[0], **_headers(found.state, shape)}, found.body)


def _headers(state: str, shape: Shape, kind: str = "json") -> dict[str, str]:
    tag = etag(state, shape.base, shape.coding, kind)
    found = {"etag": tag, "vary": VARY, "cache-control": "no-cache"}
    return {**found, "content-encoding": shape.coding} if shape.coding else found


async def xml(call: Call) -> Reply:
    """``multipart/related; type="application/dicom+xml"``, an instance a part (PS3.18 8.7.3.1, PS3.19 A.1)."""
    state, base, target = await state_of(call), call.base, call.target
    headers = _headers(state, Shape(base), "xml")
    early = unchanged(call.scope, headers)
    if early is not None:
        return early
    mark = boundary(*target)
    lines = await in_thread(call.services.retrieve.lines, target, base)
    kind = "application/dicom+xml"
    headers["content-type"] = f'multipart/related; type="{kind}"; boundary={mark}'
    return await stream_reply(call.scope, headers, multipart(((kind, _xml(line)) for line in lines), mark))


def _xml(line: bytes) -> Iterator[bytes]:
    from pacs.dicom.xml import from_json

    members: dict[str, Any] = orjson.loads(line)
    yield from_json(members)
