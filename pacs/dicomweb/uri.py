"""Retrieve by URI, WADO-URI (PS3.18 chapter 9): one object, by query parameters alone."""

from dataclasses import replace

from pacs.dicom.syntax import EXPLICIT_LITTLE
from pacs.dicomweb import accept, objects, pictures, rendered
from pacs.dicomweb.bulk import document_headers
from pacs.dicomweb.call import Call
from pacs.dicomweb.reply import Reply, ranged_source, unchanged
from pacs.dicomweb.requests import in_thread, one, only
from pacs.dicomweb.resources import DICOM, FILE, PICTURES
from pacs.domain.errors import BadRequest, NotFound
from pacs.domain.model import Identity, Instance, RenderOptions, Viewport
from pacs.domain.uid import is_uid
from pacs.services.bulk import Bulk
from pacs.services.retrieve import Target, etag

Query = list[tuple[str, str]]
DRAWN = ("frameNumber", "rows", "columns", "region", "windowCenter", "windowWidth", "imageQuality", "annotation")
ASKED = ("studyUID", "seriesUID", "objectUID")


def _uid(query: Query, name: str) -> str:
    text = one(query, name)
    if text is None or not is_uid(text):
        raise BadRequest(f"{name}={(text or '')[:70]!r}: a UID is wanted")
    return text


def _identity(query: Query) -> Identity:
    if one(query, "requestType") != "WADO":
        raise BadRequest("requestType=WADO is wanted (PS3.18 9.1.2.1.1)")
    return Identity(*(_uid(query, name) for name in ASKED))


def _refused(query: Query) -> None:
    """What cannot be done is said, not left out."""
    if (one(query, "anonymize") or "no").lower() != "no":
        raise BadRequest("anonymize: not supported; objects are only sent as they are stored")
    for name in ("presentationUID", "presentationSeriesUID"):
        if one(query, name) is not None:
            raise BadRequest(f"{name}: presentation states are not applied by this server")
    charset = one(query, "charset")
    if charset is not None and charset.lower().replace("-", "") not in ("utf8", ""):
        raise BadRequest(f"charset={charset[:40]!r}: only UTF-8 is sent")
    only(query, "requestType", *ASKED, "contentType", "charset", "transferSyntax", "anonymize", "iccprofile", *DRAWN)


def options(query: Query) -> RenderOptions:
    """The parameters of pictures (9.5.2) in the terms of rendered resources."""
    center, width = one(query, "windowCenter"), one(query, "windowWidth")
    if (center is None) != (width is None):
        raise BadRequest("windowCenter and windowWidth are only possible together (PS3.18 9.5.2)")
    quality = one(query, "imageQuality")
    return RenderOptions(
        _viewport(query),
        None if center is None else pictures.window(f"{center},{width}"),
        pictures.QUALITY if quality is None else pictures.whole(quality, "imageQuality", 1, 100),
        pictures.annotation(one(query, "annotation")),
        pictures.profile(one(query, "iccprofile")),
    )


def _viewport(query: Query) -> Viewport | None:
    sizes = [
        pictures.whole(text, name, 1, pictures.LARGEST) if text is not None else pictures.LARGEST
        for name in ("columns", "rows")
        for text in (one(query, name),)
    ]
    if one(query, "columns") is None and one(query, "rows") is None:
        return None
    return (sizes[0], sizes[1], None, None, None, None)


def region(text: str) -> tuple[float, float, float, float]:
    """``region=left,top,right,bottom``, each from 0.0 to 1.0 (9.5.2)."""
    pieces = text.split(",")
    if len(pieces) != 4:
        raise BadRequest(f"region={text[:60]!r}: left, top, right and bottom are wanted")
    left, top, right, bottom = (pictures.number(piece.strip(), "region") for piece in pieces)
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise BadRequest(f"region={text[:60]!r}: 0.0 <= left < right <= 1.0 and 0.0 <= top < bottom <= 1.0")
    return left, top, right, bottom


async def uri(call: Call) -> Reply:
    """An object as file, picture or document, as ``contentType`` says; a picture where it has pixels, if nothing is said."""
    identity, query = _identity(call.query), call.query
    _refused(query)
    instance: Instance = (await in_thread(call.services.retrieve.instances, Target(*identity)))[0]
    document = await in_thread(call.services.retrieve.passed_through, identity)
    asked = one(query, "contentType")
    ranges = accept.parse(asked or "")
    forms = _forms(instance, document)
    form = accept.choose(ranges, forms)
    if form == FILE:
        for name in DRAWN:
            if one(query, name) is not None:
                raise BadRequest(f"{name} is not possible with {DICOM} (PS3.18 9.5.2)")
        return await _file(call, instance, query)
    if one(query, "transferSyntax") is not None:
        raise BadRequest(f"transferSyntax is only possible with contentType={DICOM} (PS3.18 9.4.2)")
    if document is not None:
        return await _document(call, document)
    return await _picture(call, identity, instance, form.types[0])


def _forms(instance: Instance, document: Bulk | None) -> tuple[accept.Form, ...]:
    """What the object can be, the default first (PS3.18 8.7.4)."""
    if document is not None:
        return (accept.Form("document", (document.media,)), FILE)
    return (*PICTURES, FILE) if instance.frames.count else (FILE,)


async def _file(call: Call, instance: Instance, query: Query) -> Reply:
    """As stored when the syntax asked for cannot be made: the default is then what the standard names, or as it came."""
    wanted = one(query, "transferSyntax")
    if wanted is not None and wanted != "*" and not is_uid(wanted):
        raise BadRequest(f"transferSyntax={wanted[:70]!r}: a UID is wanted")
    targets = objects.targets_of(instance.transfer_syntax, call.services.transcoder)
    asked = accept.MediaRange(DICOM, syntaxes=(wanted,) if wanted else ())
    target = targets.asked(asked) or (EXPLICIT_LITTLE if EXPLICIT_LITTLE in targets.ready else instance.transfer_syntax)
    return await objects.send(call, FILE, [instance], {instance.transfer_syntax: target})


async def _document(call: Call, found: Bulk) -> Reply:
    headers = {"etag": etag(found.sha256, found.media), "cache-control": "no-cache"}
    early = unchanged(call.scope, headers)
    if early is not None:
        return early
    given = {"content-type": found.media, **headers, **document_headers(found.media)}
    return await ranged_source(call.scope, found.source, given)


async def _picture(call: Call, identity: Identity, instance: Instance, media: str) -> Reply:
    wanted = options(call.query)
    number = one(call.query, "frameNumber")
    frame = None if number is None else pictures.whole(number, "frameNumber", 1, 999_999_999)
    if frame is not None and frame > instance.frames.count:
        raise NotFound(f"this instance has {instance.frames.count} frames")
    text = one(call.query, "region")
    if text is not None:
        wanted = await _regional(call, identity, wanted, region(text))
    return await rendered.picture(call, identity, frame, wanted, media, instance.digest)


async def _regional(
    call: Call, identity: Identity, wanted: RenderOptions, part: tuple[float, float, float, float]
) -> RenderOptions:
    """A region in parts of the image, in pixels."""
    rows, columns = await in_thread(call.services.retrieve.dimensions, identity)
    left, top, right, bottom = part
    x, y = left * columns, top * rows
    width, height = max((right - left) * columns, 1.0), max((bottom - top) * rows, 1.0)
    size = wanted.viewport[:2] if wanted.viewport else (max(round(width), 1), max(round(height), 1))
    return replace(wanted, viewport=(*size, x, y, width, height))
