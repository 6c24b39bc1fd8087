"""Retrieve (PS3.18 10.4): metadata, instances, bulk data, rendered pictures and thumbnails."""

import gzip
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson
from litestar import Request, Response, get
from litestar.response import Stream

from pacs.dicomweb import accept
from pacs.dicomweb.requests import (
    base_url,
    byte_range,
    in_thread,
    one,
    pairs,
    quality,
    ranges,
    settings_of,
    uids,
    viewport,
    window,
)  # fmt: skip
from pacs.domain.errors import BadRequest
from pacs.domain.model import Identity, Instance, RenderOptions

JSON = "application/dicom+json"
DICOM = "application/dicom"
OCTETS = "application/octet-stream"
CHUNK = 1 << 20
JSON_OFFER = accept.Offer("metadata", (JSON, "application/json"))
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
Req = Request[Any, Any, Any]
Headers = dict[str, str]


def services_of(request: Req) -> Any:
    """The services, as ``create_app`` put them."""
    return request.app.state.services


def place_of(request: Req) -> tuple[str, str | None, str | None, str | None]:
    """Study, series, instance and frame of the path (never of the query), the UIDs checked."""
    given = request.path_params
    study, series, instance = given["study"], given.get("series"), given.get("instance")
    uids(study, series, instance)
    return study, series, instance, given.get("frame")


def base_of(request: Req) -> str | None:
    """The absolute root for links, or None."""
    settings = settings_of(services_of(request))
    return base_url(request.headers, settings.server_path, settings.public_url)


def query_of(request: Req) -> list[tuple[str, str]]:
    """The query string's pairs."""
    return pairs(request.scope["query_string"])


def accepts(request: Req) -> list[accept.MediaRange]:
    """What the request accepts."""
    return ranges(query_of(request), request.headers.get("accept"))


def raw(body: bytes, media: str, headers: Mapping[str, str] | None = None, status: int = 200) -> Response[bytes]:
    """An answer whose Content-Type is exactly ``media``."""
    return Response(body, status_code=status, headers={"content-type": media, **(headers or {})}, media_type=media)


def _matches(request: Req, etag: str) -> bool:
    """If-None-Match, compared weakly (RFC 9110 13.1.2)."""
    listed = [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]
    return "*" in listed or etag.removeprefix("W/") in listed


def _takes_gzip(request: Req) -> bool:
    found = accept.parse(request.headers.get("accept-encoding", "identity"))
    exact = [one.q for one in found if one.media in ("gzip", "x-gzip")]
    star = [one.q for one in found if one.media == "*/*"]
    return (exact or star or [0.0])[0] > 0


async def metadata(request: Req, study: str, series: str | None = None, instance: str | None = None) -> Response[bytes]:
    """DICOM JSON of all instances below (10.4.1.1.2); the stored gzip passes through."""
    found = await in_thread(services_of(request).retrieve.metadata, study, series, instance, base_of(request))
    headers = {"etag": found.etag, "vary": "Accept, Accept-Encoding", "cache-control": "no-cache"}
    if _matches(request, found.etag):
        return Response(b"", status_code=304, headers=headers)
    if not found.gzipped:
        return raw(found.body, JSON, headers)
    if _takes_gzip(request):
        return raw(found.body, JSON, {**headers, "content-encoding": "gzip"})
    return raw(await in_thread(gzip.decompress, found.body), JSON, headers)


def _mark(*uids: str | None) -> str:
    return "part-" + hashlib.blake2b("/".join(u or "" for u in uids).encode(), digest_size=16).hexdigest()


def _chunks(pieces: Iterable[Any]) -> Iterator[bytes]:
    """Buffers of any kind and size as bytes of a size to send."""
    for piece in pieces:
        view = memoryview(piece)
        for start in range(0, len(view), CHUNK):
            yield bytes(view[start : start + CHUNK])


def _multipart(retrieve: Any, instances: list[Instance], mark: str) -> Iterator[bytes]:
    for instance in instances:
        yield f"--{mark}\r\nContent-Type: {DICOM}; transfer-syntax={instance.transfer_syntax}\r\n\r\n".encode()
        yield from _chunks(retrieve.file(instance))
        yield b"\r\n"
    yield f"--{mark}--\r\n".encode()


def _offers(alone: bool, syntaxes: tuple[str, ...] | None, first: str) -> list[accept.Offer]:
    """Representations of a study, series or instance, the default first."""
    found = [accept.Offer("multipart", (DICOM,), True, syntaxes)]
    if alone:
        found.append(accept.Offer("single", (DICOM, OCTETS), False, syntaxes))
    return [*found, JSON_OFFER] if first == "dicom" else [JSON_OFFER, *found]


async def objects(
    request: Req, study: str, series: str | None = None, instance: str | None = None
) -> Response[bytes] | Stream:
    """A bare study, series or instance (10.4.1.1.1): exact Part 10 files, as stored, or metadata by default."""
    wanted, first = accepts(request), settings_of(services_of(request)).retrieve_default
    if accept.choose(wanted, _offers(instance is not None, None, first)).name == "metadata":
        return await metadata(request, study, series, instance)
    retrieve = services_of(request).retrieve
    found = await in_thread(retrieve.instances, study, series, instance)
    stored = tuple(sorted({one.transfer_syntax for one in found}))
    files = [o for o in _offers(instance is not None, stored, first) if o.name != "metadata"]
    if accept.choose(wanted, files).name == "single":
        kind = f"{DICOM}; transfer-syntax={found[0].transfer_syntax}"
        return _stream(_chunks(retrieve.file(found[0])), kind)
    mark = _mark(study, series, instance)
    return _stream(_multipart(retrieve, found, mark), f'multipart/related; type="{DICOM}"; boundary={mark}')


def _stream(chunks: Iterator[bytes], kind: str) -> Stream:
    headers = {"content-type": kind, "vary": "Accept", "cache-control": "no-cache"}
    return Stream(chunks, media_type=kind, headers=headers)


def ranged(request: Req, body: bytes, media: str, headers: Headers) -> Response[bytes]:
    """A single part, whole or by Range (8.7.6, RFC 9110 14)."""
    headers = {**headers, "accept-ranges": "bytes"}
    span = byte_range(request.headers.get("range"), len(body))
    if span is None:
        return raw(body, media, headers)
    headers["content-range"] = f"bytes {span[0]}-{span[1]}/{len(body)}"
    return raw(body[span[0] : span[1] + 1], media, headers, 206)


def sniff(body: bytes) -> str:
    """The media type of a bulk value: a PDF, an MP4 or octets."""
    if body[:1024].lstrip().startswith(b"%PDF-"):
        return "application/pdf"
    return "video/mp4" if body[4:8] == b"ftyp" else OCTETS


@get("/studies/{study:str}/bulkdata/{digest:str}")
async def bulk(request: Req) -> Response[bytes]:
    """A bulk value (10.4.1.1.5): single part unless multipart is asked for."""
    study, digest = place_of(request)[0], request.path_params["digest"]
    if not _SHA256.match(digest):
        raise BadRequest("a bulk value is named by 64 lower-case hex digits")
    body: bytes = await in_thread(services_of(request).retrieve.bulk, study, digest)
    types = tuple(dict.fromkeys((sniff(body), OCTETS)))
    chosen = accept.choose(accepts(request), [accept.Offer("single", types), accept.Offer("multi", types, True)])
    headers = {"etag": f'"{digest}"', "vary": "Accept", "cache-control": "private, max-age=31536000, immutable"}
    if _matches(request, headers["etag"]):
        return Response(b"", status_code=304, headers=headers)
    if not chosen.multipart:
        return ranged(request, body, types[0], headers)
    mark = _mark(study, digest)
    whole = b"".join((f"--{mark}\r\nContent-Type: {types[0]}\r\n\r\n".encode(), body, f"\r\n--{mark}--\r\n".encode()))
    return raw(whole, f'multipart/related; type="{types[0]}"; boundary={mark}', headers)


@get("/studies/{study:str}/bulkdata")
async def bulk_list(request: Req) -> Response[bytes]:
    """The bulk values of a study, as JSON (not in the standard)."""
    study = place_of(request)[0]
    items = await in_thread(services_of(request).retrieve.bulk_items, study)
    return raw(orjson.dumps(items), "application/json", {"cache-control": "no-cache"})


def frame_number(text: str) -> int:
    """The one frame of a rendered or thumbnail resource."""
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):
        raise BadRequest(f"frame {text[:40]!r}: one whole number from 1 on is wanted")
    return int(text)


async def thumbnail(
    request: Req, study: str, series: str | None = None, instance: str | None = None, frame: str | None = None
) -> Response[bytes]:
    """A thumbnail (10.4.1.1.4)."""
    number = None if frame is None else frame_number(frame)
    size = viewport(one(query_of(request), "viewport"))
    accept.choose(accepts(request), [accept.Offer("jpeg", ("image/jpeg",))])
    make = services_of(request).pictures.thumbnail
    body = await in_thread(make, study, series, instance, number, size)
    return _picture(request, body, "image/jpeg")


def _picture(request: Req, body: bytes, media: str) -> Response[bytes]:
    etag = f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'
    headers = {"etag": etag, "vary": "Accept", "cache-control": "no-cache"}
    if _matches(request, etag):
        return Response(b"", status_code=304, headers=headers)
    return ranged(request, body, media, headers)


async def rendered(request: Req, identity: Identity, frame: str | None = None) -> Response[bytes]:
    """A picture, or the document an instance holds (10.4.1.1.3, 8.7.4)."""
    number = None if frame is None else frame_number(frame)
    query = query_of(request)
    size, level, contrast = (
        viewport(one(query, "viewport")),
        quality(one(query, "quality")),
        window(one(query, "window")),
    )
    make = services_of(request).pictures.rendered
    options = RenderOptions(
        None if size is None else (*size, None, None, None, None),
        None if contrast is None else (*contrast, "linear"),
        level,
    )
    body, media = await in_thread(make, identity, number, options)
    accept.choose(accepts(request), [accept.Offer("rendered", (media,))])
    return _picture(request, body, media)


_S, _E = "/studies/{study:str}", "/studies/{study:str}/series/{series:str}"
_I = _E + "/instances/{instance:str}"
_F = _I + "/frames/{frame:str}"


@get([f"{_S}/metadata", f"{_E}/metadata", f"{_I}/metadata"])
async def metadata_route(request: Req) -> Response[bytes]:
    """Metadata at three levels."""
    study, series, instance, _ = place_of(request)
    accept.choose(accepts(request), [JSON_OFFER])
    return await metadata(request, study, series, instance)


@get([_S, _E, _I])
async def objects_route(request: Req) -> Response[bytes] | Stream:
    """Instances at three levels."""
    return await objects(request, *place_of(request)[:3])


@get([f"{_S}/thumbnail", f"{_E}/thumbnail", f"{_I}/thumbnail", f"{_F}/thumbnail"])
async def thumbnail_route(request: Req) -> Response[bytes]:
    """Thumbnails at four levels."""
    return await thumbnail(request, *place_of(request))


@get([f"{_I}/rendered", f"{_F}/rendered"])
async def rendered_route(request: Req) -> Response[bytes]:
    """Rendered instance and frame."""
    study, series, instance, frame = place_of(request)
    return await rendered(request, Identity(study, series or "", instance or ""), frame)


HANDLERS = (bulk, bulk_list, metadata_route, objects_route, thumbnail_route, rendered_route)
