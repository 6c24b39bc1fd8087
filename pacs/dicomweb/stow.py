"""Store (PS3.18 10.5; the answer's data set: Annex I.2)."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import orjson
from litestar import Response, post
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from pacs.dicomweb.accept import parameters
from pacs.dicomweb.requests import in_thread, settings_of, uids
from pacs.dicomweb.wado import DICOM, JSON, Req, base_of, raw, services_of
from pacs.domain.errors import BadRequest, TooLarge, UnsupportedMedia
from pacs.domain.model import Outcome

BUFFER = 1 << 20
NO_SPACE, NOT_MATCHING, WRONG_STUDY, NOT_UNDERSTOOD, DUPLICATE = 42752, 43264, 43265, 49152, 273
CUT = "the body ends before its last boundary: this part was not received whole"


class Bodies:
    """Parts on their way from a multipart body to the store."""

    def __init__(self, store: Any, boundary: str) -> None:
        self.store = store
        self.parts: list[Any] = []
        self.finished = 0
        self.ended = False
        self.broken = False
        self._open: Any = None
        self._name, self._value = b"", b""
        self._headers: dict[str, str] = {}
        self._parser = MultipartParser(boundary.encode("latin-1"), self._callbacks())

    def _callbacks(self) -> Any:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._field,
            "on_header_value": self._more,
            "on_header_end": self._header,
            "on_headers_finished": self._ready,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._done,
        }

    def feed(self, data: bytes) -> None:
        """Some of the body; BadRequest when it is no multipart and nothing is finished yet."""
        if not self.ended and not self.broken:
            self._parser.write(data)

    def close(self) -> None:
        """At the end of the body: a part still open becomes a failure."""
        if self._open is not None:
            self._drop_open()
            self.parts.append(CUT)
        elif not self.ended and self.parts:
            self.parts.append("the body ends without its last boundary: parts may be missing")

    def discard(self) -> None:
        """Nothing of this is wanted."""
        self._drop_open()
        for part in self.parts:
            if not isinstance(part, str):
                part.discard()

    def _drop_open(self) -> None:
        if self._open is not None and not isinstance(self._open, str):
            self._open.discard()
        self._open = None

    def _begin(self) -> None:
        self._headers = {}

    def _field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _more(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header(self) -> None:
        self._headers[self._name.decode("latin-1").lower()] = self._value.decode("latin-1")
        self._name, self._value = b"", b""

    def _ready(self) -> None:
        kind = parameters(self._headers.get("content-type", DICOM))[0]
        self._open = self.store.begin() if kind == DICOM else f"part of type {kind[:60]!r}, {DICOM} is wanted"

    def _data(self, data: bytes, start: int, end: int) -> None:
        if not isinstance(self._open, str):
            self._open.write(data[start:end])

    def _end(self) -> None:
        if not isinstance(self._open, str):
            self._open.end()
        self.parts.append(self._open)
        self._open = None
        self.finished += 1

    def _done(self) -> None:
        self.ended = True


class Single(Bodies):
    """A body that is one object, not multipart (PS3.18 8.6.1.1)."""

    def __init__(self, store: Any) -> None:
        super().__init__(store, "none")

    def feed(self, data: bytes) -> None:
        if self._open is None:
            self._open = self.store.begin()
        self._open.write(data)

    def close(self) -> None:
        if self._open is not None:
            self._end()
        self.ended = True


def bodies(store: Any, content_type: str) -> Bodies:
    """By the Content-Type of the request; UnsupportedMedia for others."""
    kind, pairs = parameters(content_type)
    values = dict(pairs)
    if kind == DICOM:
        return Single(store)
    if kind != "multipart/related" or values.get("type", DICOM).lower() != DICOM:
        raise UnsupportedMedia(f'Content-Type has to be multipart/related; type="{DICOM}" or {DICOM}')
    boundary = values.get("boundary", "")
    if not 0 < len(boundary) <= 200 or not boundary.isascii():
        raise BadRequest("the Content-Type names no usable boundary")
    return Bodies(store, boundary)


async def _buffered(stream: AsyncIterator[bytes], most: int) -> AsyncIterator[bytes]:
    """The body in pieces of about :data:`BUFFER`; TooLarge beyond ``most``."""
    waiting, size, total = [], 0, 0
    async for chunk in stream:
        total += len(chunk)
        if total > most:
            raise TooLarge(f"the body is over the limit of {most} bytes")
        waiting.append(chunk)
        size += len(chunk)
        if size >= BUFFER:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)


async def _receive(request: Req, into: Bodies, most: int) -> bytes:
    """Feeds the body as it comes, but for its last piece, which is returned: one thread does it with what follows."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > most:
        raise TooLarge(f"the body is over the limit of {most} bytes")
    last = b""
    async for data in _buffered(request.stream(), most):
        if last:
            await in_thread(_feed, into, last)
        last = data
    return last


def _feed(into: Bodies, data: bytes) -> None:
    try:
        into.feed(data)
    except FormParserError as error:
        if not into.finished:
            raise BadRequest(f"the body is not multipart with this boundary: {error}") from None
        into.ended = False
        into.broken = True


def _finish(store: Any, into: Bodies, last: bytes, study: str | None) -> list[Outcome]:
    """The end of the body, and the store of what it held."""
    _feed(into, last)
    into.close()
    if not into.finished:
        raise BadRequest("the body holds no complete part")
    found: list[Outcome] = store.received(into.parts, "stow", study)
    return found


def _reason(outcome: Outcome, study: str | None) -> int:
    """FailureReason (0008,1197)."""
    if outcome.status == "quarantined" or "policy" in outcome.reason:
        return DUPLICATE
    if outcome.identity is None:
        return NOT_MATCHING if "UID" in outcome.reason and "part of type" not in outcome.reason else NOT_UNDERSTOOD
    if study is not None and outcome.identity.study != study:
        return WRONG_STUDY
    return NOT_MATCHING


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
    return {
        **_uids(outcome),
        "00081190": _element("UR", f"{base}/studies/{study}/series/{series}/instances/{instance}"),
    }


def _failed(outcome: Outcome, study: str | None) -> dict[str, Any]:
    default = "kept aside: another object has this UID" if outcome.status == "quarantined" else "refused"
    return {
        **_uids(outcome),
        "00081197": _element("US", _reason(outcome, study)),
        "00000902": _element("LO", outcome.reason or default),
    }


def succeeded(outcome: Outcome) -> bool:
    """Whether the instance can be retrieved as it was sent."""
    return outcome.status in ("stored", "unchanged", "replaced")


def response(outcomes: Sequence[Outcome], base: str, study: str | None) -> dict[str, Any]:
    """The Store Instances Response (Table I.2-1); sequences only when they have items."""
    good = [one for one in outcomes if succeeded(one)]
    bad = [one for one in outcomes if not succeeded(one)]
    studies = {one.identity.study for one in good if one.identity is not None}
    urls = [f"{base}/studies/{uid}" for uid in studies] if len(studies) == 1 else []
    found = {"00081190": _element("UR", *urls)}
    if bad:
        found["00081198"] = _element("SQ", *(_failed(one, study) for one in bad))
    if good:
        found["00081199"] = _element("SQ", *(_stored(one, base) for one in good))
    return found


def status(outcomes: Sequence[Outcome], study: str | None = None) -> int:
    """200 all, 202 some, 400 nothing understood, 409 none (Table 10.5.3-1)."""
    good = sum(succeeded(one) for one in outcomes)
    if good == len(outcomes):
        return 200
    if good:
        return 202
    return 400 if all(_reason(one, study) == NOT_UNDERSTOOD for one in outcomes) else 409


@post(["/studies", "/studies/{study:str}", "/instances"])
async def store(request: Req) -> Response[bytes]:
    """Stores every part, and accounts for every part."""
    study = request.path_params.get("study")
    uids(study)
    services = services_of(request)
    into = bodies(services.store, request.headers.get("content-type", ""))
    settings = settings_of(services)
    try:
        last = await _receive(request, into, settings.max_body_bytes)
        outcomes = await in_thread(_finish, services.store, into, last, study)
    except BaseException:
        into.discard()
        raise
    answer = response(outcomes, base_of(request) or settings.server_path, study)
    return raw(orjson.dumps(answer), JSON, status=status(outcomes, study))


HANDLERS = (store,)
