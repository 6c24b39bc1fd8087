"""Bulk values (PS3.18 10.4.1.1.5): every URI a metadata document names, single part or multipart."""

import hashlib
import re

import orjson

from pacs.convert.coding import encode
from pacs.dicomweb import parts
from pacs.dicomweb.accept import Form
from pacs.dicomweb.call import Call
from pacs.dicomweb.reply import Reply, ranged_source, stream_reply, unchanged
from pacs.dicomweb.requests import in_thread, only
from pacs.dicomweb.resources import OCTETS
from pacs.domain.errors import BadRequest
from pacs.services.bulk import Bulk
from pacs.services.retrieve import etag

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_PATH = re.compile(r"[0-9A-Fa-f]{8}(/[0-9]{1,6}/[0-9A-Fa-f]{8})*\Z")
SANDBOX = "sandbox; default-src 'none'; style-src 'unsafe-inline'"


def document_headers(media: str) -> dict[str, str]:
    """What keeps a document that somebody sent from acting as a page of this server.  PDF viewers cannot be sandboxed."""
    return {} if media == "application/pdf" else {"content-security-policy": SANDBOX}


async def bulk(call: Call) -> Reply:
    """One value, by its digest or by instance and element path."""
    only(call.query)
    values, study = call.services.retrieve.bulk, call.given["study"]
    if "digest" in call.given:
        digest = call.given["digest"]
        call.target  # noqa: B018 (the UID is checked)
        if not _SHA256.match(digest):
            raise BadRequest("a bulk value is named by 64 lower-case hex digits, or by instance and element path")
        found: Bulk = await in_thread(values.by_digest, study, digest)
    else:
        path = call.given["path"]
        instance = call.target.instance
        if not _PATH.match(path):
            raise BadRequest(f"{path[:70]!r} is not an element path such as 00420011 or 54000100/0/54001010")
        found = await in_thread(values.by_path, study, instance, path.upper())
    return await send(call, found)


async def send(call: Call, found: Bulk) -> Reply:
    """A value in the form wanted."""
    types = tuple(dict.fromkeys((found.media, OCTETS)))
    single, part = Form("value", types), Form("part", types, multipart=True)
    form = call.choose(single, part)
    headers = {"etag": etag(found.sha256, form.name, found.media), "vary": "Accept", "cache-control": "no-cache"}
    early = unchanged(call.scope, headers)
    if early is not None:
        return early
    if not form.multipart:
        given = {"content-type": found.media, **headers, **document_headers(found.media)}
        return await ranged_source(call.scope, found.source, given)
    mark = parts.boundary(found.sha256)
    body = parts.multipart([(found.media, found.source.pieces(0))], mark)
    headers["content-type"] = f'multipart/related; type="{found.media}"; boundary={mark}'
    return await stream_reply(call.scope, headers, body, parts.length([(found.media, found.source.size)], mark))


async def bulk_list(call: Call) -> Reply:
    """The bulk values of a study, as JSON (not in the standard).  URIs are relative to the study, or absolute."""
    only(call.query)
    call.choose()
    study, base = call.target.study, call.base
    items = await in_thread(call.services.retrieve.bulk.items, study)
    if base is not None:
        for item in items:
            item["uri"] = f"{base}/studies/{study}/{item['uri']}"
    body = await in_thread(encode, orjson.dumps(items), call.coding)
    return json_reply(call, body)


def json_reply(call: Call, body: bytes, media: str = "application/json") -> Reply:
    """A small made document, its tag the digest of what is sent."""
    digest = hashlib.sha256(body).hexdigest()
    headers = {"etag": etag(digest), "vary": "Accept, Accept-Encoding", "cache-control": "no-cache"}
    if call.coding:
        headers["content-encoding"] = call.coding
    return unchanged(call.scope, headers) or Reply(200, {"content-type": media, **headers}, body)
