"""Rendered resources and thumbnails (PS3.18 10.4.1.1.3, 10.4.1.1.4, 8.7.4)."""

import base64
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from pacs.dicomweb import accept, parts, pictures
from pacs.dicomweb.bulk import document_headers
from pacs.dicomweb.call import Call
from pacs.dicomweb.metadata import state_of
from pacs.dicomweb.reply import Reply, ranged, ranged_source, stream_reply, unchanged
from pacs.dicomweb.requests import in_thread, one, only
from pacs.dicomweb.resources import MANY_PICTURES, OCTETS, PICTURES
from pacs.domain.errors import BadRequest, NotFound, RenderFailed
from pacs.domain.model import Identity, RenderOptions
from pacs.domain.ports import Buffer
from pacs.services.bulk import Bulk
from pacs.services.retrieve import etag

MOST_RENDERED = 10_000

# 64 x 64 dark grey, for thumbnails of what has no picture.
PLACEHOLDER = base64.b64decode(
    b"/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABQODxIPDRQSEBIXFRQYHjIhHhwcHj0sLiQySUBMS0dARkVQWnNiUFVtVkVGZIhlbXd7gYKBTmCNl4x9lnN+"
    b"gXz/wAALCABAAEABAREA/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEGE1FhByJx"
    b"FDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZ"
    b"mqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/9oACAEBAAA/AOfoooooooooooooooooq3NNI80i"
    b"rI6sGIADHBGf5/z/AJwefN/z1f8A76NHnzf89X/76NPgmlM8YMrkFhkbj61BRRRUlx/x8S/75/nR/rf+un/oX/1/5/XrHUlv/wAfEX++P51HRRRUlx/x"
    b"8S/75/nUdSf63/rp/wChf/X/AJ/XqW//AB8Rf74/nUdFFFTzwymeQiJyCxwdp9aZ5E3/ADyf/vk0eRN/zyf/AL5NTwwyPNGzRurBgSSpwRn+f8/51KKK"
    b"KKKKKKKKKKKKKKK//9k="
)


async def rendered(call: Call) -> Reply:
    """Pictures of a study, series, instance or frames; the video or document itself of an instance that holds one."""
    options = pictures.options(call.query)
    if call.given.get("instance") is None:
        return await _many(call, options, await in_thread(_drawable, call))
    if not call.frames:
        found = await in_thread(call.services.retrieve.passed_through, call.identity)
        if found is not None:
            return await _document(call, found)
    place = await in_thread(call.services.retrieve.frame_place, call.identity)
    if call.frames and max(call.frames) > place.frames.count:
        raise NotFound(f"this instance has {place.frames.count} frames")
    if len(call.frames) > 1:
        return await _many(call, options, [(call.identity, number) for number in call.frames])
    number = call.frames[0] if call.frames else None
    if call.choose(*PICTURES, *MANY_PICTURES).multipart:
        return await _many(call, options, [(call.identity, number)])
    return await picture(call, call.identity, number, options, call.choose(*PICTURES).types[0], place.digest)


async def picture(
    call: Call, identity: Identity, number: int | None, options: RenderOptions, media: str, digest: str
) -> Reply:
    """One picture; not drawn again for who has it."""
    options = replace(options, media=media)
    headers = {"etag": etag(digest, str(number), repr(options)), "vary": "Accept", "cache-control": "no-cache"}
    early = unchanged(call.scope, headers)
    if early is not None:
        return early
    body, media = await in_thread(call.services.pictures.rendered, identity, number, options)
    return ranged(call.scope, body, {"content-type": media, **headers})


async def _document(call: Call, found: Bulk) -> Reply:
    call.choose(accept.Form("document", tuple(dict.fromkeys((found.media, OCTETS)))))
    headers = {"etag": etag(found.sha256, found.media), "vary": "Accept", "cache-control": "no-cache"}
    early = unchanged(call.scope, headers)
    if early is not None:
        return early
    given = {"content-type": found.media, **headers, **document_headers(found.media)}
    return await ranged_source(call.scope, found.source, given)


Wanted = Sequence[tuple[Identity, int | None]]


def _drawable(call: Call) -> Wanted:
    """The instances of a study or series that have frames."""
    rows = call.services.retrieve.instances(call.target)
    found = [(row.identity, None) for row in rows if row.frames.count]
    if not found:
        raise RenderFailed(f"no instance of {call.target} has pixel data")
    return found


async def _many(call: Call, options: RenderOptions, wanted: Wanted) -> Reply:
    """A part for each, drawn as it is sent."""
    media = call.choose(*MANY_PICTURES).types[0]
    if len(wanted) > MOST_RENDERED:
        raise BadRequest(f"{len(wanted)} pictures in one request; at most {MOST_RENDERED} are drawn")
    options = replace(options, media=media)
    mark = parts.boundary(*call.target, "rendered")
    headers = {"vary": "Accept", "cache-control": "no-cache"}
    headers["content-type"] = f'multipart/related; type="{media}"; boundary={mark}'
    state = await in_thread(call.services.retrieve.state, call.target)
    headers["etag"] = etag(state, repr(options), str(call.frames))
    early = unchanged(call.scope, headers)
    return early or await stream_reply(call.scope, headers, _drawn(call.services.pictures, wanted, options, mark))


def _drawn(make: Any, wanted: Wanted, options: RenderOptions, mark: str) -> Iterator[Buffer]:
    """Parts; what cannot be drawn is left out, unless it is all there is."""
    drawn, reason = 0, RenderFailed("nothing to draw")
    for identity, number in wanted:
        try:
            body, media = make.rendered(identity, number, options)
        except RenderFailed as failure:
            reason = failure
            continue
        drawn += 1
        yield parts.head(media, mark)
        yield body
        yield b"\r\n"
    if not drawn:
        raise reason
    yield f"--{mark}--\r\n".encode()


async def thumbnail(call: Call) -> Reply:
    """A small JPEG; a placeholder with a Warning where none can be drawn, since viewers give up after one 404."""
    text = one(call.query, "viewport")
    only(call.query, "viewport")
    size = None if text is None else pictures.size(text)
    if len(call.frames) > 1:
        raise BadRequest("one frame is wanted for a thumbnail")
    call.choose()
    await state_of(call)
    stored = _stored(call, size)
    if stored is not None:
        return _thumbnail(call, stored, {})
    number = call.frames[0] if call.frames else None
    try:
        study, series, instance = call.target
        body = await in_thread(call.services.pictures.thumbnail, study, series, instance, number, size)
    except RenderFailed as failure:
        return _thumbnail(call, PLACEHOLDER, {"warning": f'299 static-dicomweb "no picture: {_quotable(str(failure))}"'})
    return _thumbnail(call, body, {})


def _quotable(text: str) -> str:
    """Text as it can stand in a quoted header value."""
    plain = "".join(c if " " <= c <= "~" else " " if c.isspace() else "?" for c in text)
    return plain.replace('"', "'").replace("\\", "/")[:200]


def _stored(call: Call, size: tuple[int, int] | None) -> bytes | None:
    """The stored thumbnail of a study or series, read in the event loop: it is a few kilobytes of a local file."""
    study, series, instance = call.target
    path = call.services.retrieve.thumbnail_file(study, series) if instance is None else None
    if path is None or size not in (None, (256, 256)):
        return None
    try:
        with open(path, "rb", buffering=0) as file:
            found: bytes | None = file.read(os.fstat(file.fileno()).st_size)
    except FileNotFoundError:
        return None
    return found


def _thumbnail(call: Call, body: bytes, more: dict[str, str]) -> Reply:
    tag = etag(hashlib.blake2b(body, digest_size=16).hexdigest())
    headers = {"etag": tag, "vary": "Accept", "cache-control": "no-cache", **more}
    return unchanged(call.scope, headers) or ranged(call.scope, body, {"content-type": "image/jpeg", **headers})
