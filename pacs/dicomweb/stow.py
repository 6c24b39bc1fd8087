"""Store (PS3.18 10.5; the answer's data set: Annex I.2)."""

import logging
from collections.abc import Sequence
from typing import Any

import orjson
from litestar import Response, post

from pacs.dicom import xml
from pacs.dicomweb import body
from pacs.dicomweb.accept import Form, choose
from pacs.dicomweb.errors import answer
from pacs.dicomweb.multipart import Multipart, Single
from pacs.dicomweb.reply import raw
from pacs.dicomweb.requests import in_thread, settings_of, uids
from pacs.dicomweb.routed import Req, accepts, base_of, services_of
from pacs.dicomweb.upload import JSON, XML, Objects, upload
from pacs.domain.cause import Cause
from pacs.domain.errors import BadRequest, PacsError, Refused, StorageFault, StorageFull, TooLarge
from pacs.domain.model import Outcome

log = logging.getLogger("pacs.dicomweb")

ANSWERS = (Form("json", (JSON, "application/json")), Form("xml", (XML, "application/xml", "text/xml")))
FAILURE_REASON = {
    Cause.NOT_UNDERSTOOD: 0xC000,
    Cause.NO_IDENTITY: 0xA900,
    Cause.NOT_STORABLE: 0x0122,
    Cause.WRONG_STUDY: 0xA901,
    Cause.DUPLICATE: 0x0111,
    Cause.MISSING_BULK: 0xA922,
    Cause.NO_SPACE: 0xA700,
    Cause.STORAGE: 0x0110,
}
"""Failure Reason (0008,1197): Table I.2-2, PS3.7 Annex C; A901 and A922 are ours, within "does not match"."""
REPLACED = 0xB001
"""Warning Reason (0008,1196), ours: nothing was coerced, which B000 would say."""
RETRY_SECONDS = "30"


def _element(vr: str, *values: Any) -> dict[str, Any]:
    return {"vr": vr, "Value": list(values)} if values else {"vr": vr}


def _uids(outcome: Outcome) -> dict[str, Any]:
    found = {"00081150": _element("UI", outcome.sop_class)} if outcome.sop_class else {}
    if outcome.identity is not None:
        found["00081155"] = _element("UI", outcome.identity.instance)
    return found


def _stored(outcome: Outcome, base: str) -> dict[str, Any]:
    assert outcome.identity is not None
    study, series, instance = outcome.identity
    found = {
        **_uids(outcome),
        "00081190": _element("UR", f"{base}/studies/{study}/series/{series}/instances/{instance}"),
    }
    if outcome.status == "replaced":
        found["00000902"] = _element("LO", "replaces other data of these UIDs, which is kept as it was")
        found["00081196"] = _element("US", REPLACED)
    return dict(sorted(found.items()))


def _failed(outcome: Outcome) -> dict[str, Any]:
    return {
        "00000902": _element("LO", outcome.reason or "refused"),
        **_uids(outcome),
        "00081197": _element("US", FAILURE_REASON[outcome.cause or Cause.NOT_UNDERSTOOD]),
    }


def succeeded(outcome: Outcome) -> bool:
    """Whether the instance can be retrieved as it was sent."""
    return outcome.status in ("stored", "unchanged", "replaced")


def response(outcomes: Sequence[Outcome], base: str) -> dict[str, Any]:
    """The Store Instances Response (Table I.2-1); sequences only when they have items."""
    good = [one for one in outcomes if succeeded(one)]
    bad = [one for one in outcomes if not succeeded(one)]
    studies = {one.identity.study for one in good if one.identity is not None}
    urls = [f"{base}/studies/{uid}" for uid in studies] if len(studies) == 1 else []
    found = {"00081190": _element("UR", *urls)}
    if bad:
        found["00081198"] = _element("SQ", *(_failed(one) for one in bad))
    if good:
        found["00081199"] = _element("SQ", *(_stored(one, base) for one in good))
    return found


def status(outcomes: Sequence[Outcome], sound: bool = True) -> int:
    """The one place that decides it (Table 10.5.3-1).

    200 all stored as they are; 202 some, or some with a warning; of none 507 without space, 503 with a failing storage,
    400 where the request itself is not ``sound``, else 409: it was understood, and says of each part why.
    """
    causes = {one.cause for one in outcomes if not succeeded(one)}
    if not causes:
        return 202 if any(one.status == "replaced" for one in outcomes) else 200
    if any(succeeded(one) for one in outcomes):
        return 202
    if Cause.NO_SPACE in causes:
        return 507
    if Cause.STORAGE in causes:
        return 503
    return 409 if sound else 400


def lost(parts: Sequence[Any], fault: StorageFault) -> list[Outcome]:
    """What became of a request in which the storage failed: nothing of it is kept."""
    cause = Cause.NO_SPACE if isinstance(fault, StorageFull) else Cause.STORAGE
    found = []
    for part in parts:
        known = getattr(part, "result", None)
        if isinstance(part, Refused):
            found.append(Outcome("refused", None, str(part), cause=part.cause))
        else:
            identity, sop_class = getattr(known, "identity", None), getattr(known, "sop_class", "")
            found.append(Outcome("failed", identity, str(fault), sop_class, cause=cause))
    return found or [Outcome("failed", None, str(fault), cause=cause)]


def _feed(message: Single | Multipart, decoder: body.Decoder, data: bytes) -> None:
    for piece in decoder.pieces(data):
        if piece:
            message.feed(piece)


def _finish(
    store: Any, message: Single | Multipart, taker: Objects, decoder: body.Decoder, last: bytes, study: str | None
) -> list[Outcome]:
    """The end of the body, and the store of what it held: one thread does both."""
    _feed(message, decoder, last)
    message.close(decoder.whole)
    if not message.finished:
        raise BadRequest("the body holds no complete part")
    taker.finish()
    if not taker.parts:
        raise BadRequest("the metadata holds no instance")
    found: list[Outcome] = store.received(taker.parts, "stow", study)
    return found


async def _received(
    reader: body.Reader, decoder: body.Decoder, message: Single | Multipart, taker: Objects, store: Any, study: str | None
) -> list[Outcome]:
    reader.check()
    last = b""
    async for data in reader.pieces():
        if last:
            await in_thread(_feed, message, decoder, last)
        last = data
    return await in_thread(_finish, store, message, taker, decoder, last, study)


@post(["/studies", "/studies/{study:str}", "/instances"])
async def store(request: Req) -> Response[bytes]:
    """Stores every part, and accounts for every part."""
    study = request.path_params.get("study")
    uids(study)
    form = choose(accepts(request), ANSWERS)
    services = services_of(request)
    settings = settings_of(services)
    message, taker = upload(services.store, request.headers.get("content-type", ""), settings.max_metadata_bytes)
    reader = body.Reader(request, settings.max_body_bytes)
    decoder = body.decoder(request.headers.get("content-encoding", ""), settings.max_body_bytes)
    headers: dict[str, str] = {}
    try:
        outcomes = await _received(reader, decoder, message, taker, services.store, study)
    except BaseException as fault:
        await in_thread(_discard, message, taker)
        if isinstance(fault, TooLarge):
            return await _closing(reader, fault)
        if not isinstance(fault, StorageFault):
            raise
        log.error("store: %s: %s", type(fault).__name__, fault)
        outcomes = lost(taker.parts, fault)
        headers = {"connection": "close"}
        await reader.linger()
    code = status(outcomes, message.sound and taker.sound)
    if code == 503:
        headers["retry-after"] = RETRY_SECONDS
    told = response(outcomes, base_of(request) or settings.server_path)
    if form.name == "xml":
        return raw(await in_thread(xml.from_json, told), XML, headers, code)
    return raw(orjson.dumps(told), JSON, headers, code)


def _discard(message: Single | Multipart, taker: Objects) -> None:
    message.discard()
    taker.discard()


async def _closing(reader: body.Reader, fault: PacsError) -> Response[bytes]:
    """The answer to a body that is not read to its end: no other request can follow on this connection."""
    await reader.linger()
    told = answer(fault)
    return raw(told.body, "application/json", {"cache-control": "no-store", "connection": "close"}, told.status)


HANDLERS = (store,)
