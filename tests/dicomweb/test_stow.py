"""Store: the decision table, the forms of a request and its answer (PS3.18 10.5, Annex I)."""

import gzip
import json
import zlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacs.dicom import xml
from pacs.dicom.reader import read
from pacs.dicomweb.stow import FAILURE_REASON, lost, status
from pacs.domain.cause import Cause
from pacs.domain.errors import Refused, StorageFault, StorageFull
from pacs.domain.model import Outcome
from tests.dicomweb import fakes
from tests.dicomweb.test_http import INSTANCE, ask

D = "application/dicom"
JSON = "application/dicom+json"
XML = "application/dicom+xml"
OBJECTS = f'multipart/related; type="{D}"; boundary=B'


def body(*parts: tuple[str, bytes], end: bool = True) -> bytes:
    text = b"".join(b"\r\n--B\r\nContent-Type: " + kind.encode() + b"\r\n\r\n" + data for kind, data in parts)
    return text + (b"\r\n--B--" if end else b"")


def post(content: Any, kind: str = OBJECTS, services: Any = None, path: str = "/studies/1.2", **headers: str) -> httpx.Response:
    sent = {"content-type": kind, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return ask(f"/dicomweb{path}", "POST", services, content=content, headers=sent)


def reasons(answer: dict[str, Any]) -> list[int]:
    return [item["00081197"]["Value"][0] for item in answer.get("00081198", {}).get("Value", [])]


@pytest.mark.parametrize(
    ("content", "code", "good", "failures"),
    [
        (body((D, b"ok")), 200, 1, []),
        (body(('application/dicom; transfer-syntax="1.2"', b"ok")), 200, 1, []),
        (body((D, b"ok"), (D, b"bad")), 202, 1, [0xC000]),
        (body((D, b"ok"), ("text/plain", b"x")), 202, 1, [0xC000]),
        (body((D, b"again")), 202, 1, []),
        (body((D, b"bad")), 409, 0, [0xC000]),
        (body((D, b"dup")), 409, 0, [0x0111]),
        (body((D, b"other"), (D, b"bad")), 409, 0, [0xA901, 0xC000]),
        (body((D, b"ok"), (D, b"o"), end=False), 202, 1, [0xC000]),
        (body((D, b"ok"), end=False) + b"\r\n--B\r\n", 202, 1, [0xC000]),
        (body((D, b"ok"), (D, b"ok"))[:-2] + b"\r\n", 202, 2, [0xC000]),
        (body((D, b"bad"), (D, b"o"), end=False), 400, 0, [0xC000, 0xC000]),
        (body((D, b"ok"), end=False), 400, 0, []),
        (b"\r\n--B--", 400, 0, []),
        (b"", 400, 0, []),
        (b"nothing of the kind", 400, 0, []),
        (b"\r\n--B\r\nX: " + b"y" * 20_000 + b"\r\n\r\n" + b"ok\r\n--B--", 400, 0, []),
    ],
)
def test_every_part_is_accounted_for(content: bytes, code: int, good: int, failures: list[int]) -> None:
    got = post(content)
    assert got.status_code == code, got.text
    if good or failures:
        assert got.headers["content-type"] == JSON
        answer = got.json()
        assert ("00081199" in answer, "00081198" in answer) == (bool(good), bool(failures))
        assert len(answer.get("00081199", {}).get("Value", [])) == good
        assert reasons(answer) == failures
        assert all(item["00000902"]["Value"][0] for item in answer.get("00081198", {}).get("Value", []))
        if good:
            assert answer["00081199"]["Value"][0]["00081190"]["Value"] == [INSTANCE]
    else:
        assert got.headers["content-type"] == "application/json" and got.json()["detail"]


def made(status: str, cause: Cause | None = None) -> Outcome:
    return Outcome(status, None, cause=cause)


@pytest.mark.parametrize(
    ("outcomes", "sound", "code"),
    [
        ([made("stored"), made("unchanged")], True, 200),
        ([made("stored"), made("replaced")], True, 202),
        ([made("stored"), made("failed", Cause.NO_SPACE)], True, 202),
        ([made("stored"), made("refused", Cause.NOT_UNDERSTOOD)], False, 202),
        ([made("quarantined", Cause.DUPLICATE)], True, 409),
        ([made("refused", Cause.NO_IDENTITY)], True, 409),
        ([made("refused", Cause.NOT_UNDERSTOOD)], False, 400),
        ([made("refused", Cause.NOT_UNDERSTOOD), made("failed", Cause.NO_SPACE)], True, 507),
        ([made("failed", Cause.STORAGE)], True, 503),
    ],
)
def test_one_function_decides_the_status(outcomes: list[Outcome], sound: bool, code: int) -> None:
    assert status(outcomes, sound) == code


def test_every_cause_has_a_failure_reason() -> None:
    assert set(FAILURE_REASON) == set(Cause)


def test_what_replaces_is_a_warning() -> None:
    [item] = post(body((D, b"again"))).json()["00081199"]["Value"]
    assert item["00081196"]["Value"][0] & 0xF000 == 0xB000
    assert "replaces" in item["00000902"]["Value"][0]


@pytest.mark.parametrize(
    ("kind", "content", "code"),
    [
        (D, b"ok", 200),
        (D, b"", 400),
        (D, b"bad", 409),
        ("application/json", b"{}", 415),
        ("", b"x", 415),
        ('multipart/related; type="text/xml"; boundary=B', b"", 415),
        (f'multipart/related; type="{JSON}"; boundary=B', b"", 400),
        ("multipart/related", b"x", 400),
        ("multipart/related; boundary=", b"x", 400),
        (f"multipart/related; boundary={'B' * 201}", b"x", 400),
        ("MULTIPART/Related; Boundary=B; Type=Application/DICOM; charset=utf-8", body((D, b"ok")), 200),
        (D, b"o" * 200, 413),
        (JSON, b"[" + b" " * 60 + b"]", 413),
    ],
)
def test_types_and_limits(kind: str, content: bytes, code: int) -> None:
    got = post(content, kind, fakes.services(maxBodyBytes=100, maxMetadataBytes=50))
    assert got.status_code == code, got.text
    if code == 413:
        assert got.headers["connection"] == "close" and got.json()["limit"] in (100, 50)


@pytest.mark.parametrize("size", [99, 100, 101])
def test_a_body_without_a_length_is_bounded_too(size: int) -> None:
    async def chunks() -> Any:
        for _ in range(size):
            yield b"o"

    got = post(chunks(), D, fakes.services(maxBodyBytes=100))
    assert got.status_code == (413 if size > 100 else 409)


GZIP = gzip.compress(body((D, b"ok")), mtime=0)


@pytest.mark.parametrize(
    ("content", "coding", "code"),
    [
        (GZIP, "gzip", 200),
        (GZIP, "x-gzip", 200),
        (zlib.compress(body((D, b"ok"))), "deflate", 200),
        (body((D, b"ok")), "identity", 200),
        (GZIP[:-4], "gzip", 202),
        (GZIP[:-12], "gzip", 400),
        (body((D, b"ok")), "gzip", 400),
        (GZIP, "br", 415),
        (GZIP, "gzip, gzip", 415),
        (gzip.compress(b"x" * 500_000, mtime=0), "gzip", 413),
    ],
    ids=lambda value: None if isinstance(value, bytes) else str(value),
)
def test_content_codings(content: bytes, coding: str, code: int) -> None:
    got = post(content, services=fakes.services(maxBodyBytes=1000), content_encoding=coding)
    assert got.status_code == code, got.text


def test_a_cut_coding_of_a_single_part_stores_nothing() -> None:
    services = fakes.services()
    assert post(gzip.compress(b"ok")[:-8], D, services, content_encoding="gzip").status_code == 400
    assert [part.discarded for part in services.store.begun] == [True]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", JSON),
        ("*/*", JSON),
        (JSON, JSON),
        ("application/json", JSON),
        (XML, XML),
        (f"{JSON};q=0.5, {XML}", XML),
        ("text/html", None),
    ],
)
def test_the_answer_is_what_is_accepted(accept: str, kind: str | None) -> None:
    services = fakes.services()
    got = post(body((D, b"ok"), (D, b"bad")), services=services, accept=accept)
    if kind is None:
        assert got.status_code == 406 and len(got.json()["available"]) == 2
        assert services.store.begun == []
        return
    assert (got.status_code, got.headers["content-type"]) == (202, kind)
    answer = got.json() if kind == JSON else xml.to_json(got.content)
    assert reasons(answer) == [0xC000]
    assert answer["00081190"] == {"vr": "UR", "Value": ["/dicomweb/studies/1.2"]}


def test_cut_parts_are_discarded() -> None:
    services = fakes.services()
    post(body((D, b"ok"), end=False), services=services)
    assert [part.discarded for part in services.store.begun] == [True]


@pytest.mark.parametrize(("fault", "code", "reason"), [(StorageFull, 507, 0xA700), (StorageFault, 503, 0x0110)])
@pytest.mark.parametrize("where", ["write", "received"])
def test_a_failing_storage_is_told_part_by_part(where: str, fault: type[StorageFault], code: int, reason: int) -> None:
    services = fakes.services()

    def fail(*_: Any) -> Any:
        raise fault("no space left writing incoming/1")

    if where == "received":
        services.store.received = fail
    else:
        begin = services.store.begin
        services.store.begin = lambda: [part := begin(), setattr(part, "write", fail)][0]
    got = post(body((D, b"ok")), services=services)
    assert (got.status_code, reasons(got.json())) == (code, [reason])
    assert "00081199" not in got.json()
    assert all(part.discarded for part in services.store.begun)
    assert ("retry-after" in got.headers) == (code == 503)


def test_refusals_stay_beside_a_failing_storage() -> None:
    found = lost([Refused("no UID", Cause.NO_IDENTITY), fakes.Part()], StorageFull("full"))
    assert [one.cause for one in found] == [Cause.NO_IDENTITY, Cause.NO_SPACE]


class Keeping(fakes.Store):
    """Takes what it is given."""

    def _one(self, part: Any) -> Outcome:
        return Outcome("stored", fakes.IDENTITY) if not isinstance(part, Refused) else super()._one(part)


def members(number: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "00080016": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.7"]},
        "00080018": {"vr": "UI", "Value": [f"1.2.3.{number}"]},
        "0020000D": {"vr": "UI", "Value": ["1.2"]},
        **{tag.lstrip("_"): value for tag, value in more.items()},
    }


PIXELS = {"_7FE00010": {"vr": "OW", "BulkDataURI": "bulk/1"}}


def described(kind: str, *parts: tuple[str, bytes]) -> tuple[int, dict[str, Any], list[bytes]]:
    services = fakes.services()
    services.store = Keeping()
    text = b"".join(b"\r\n--B\r\n" + head.encode() + b"\r\n\r\n" + data for head, data in parts) + b"\r\n--B--"
    got = post(text, f'multipart/related; type="{kind}"; boundary=B', services)
    return got.status_code, got.json(), [part.data for part in services.store.begun if not part.discarded]


def metadata(kind: str, *instances: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    head = f"Content-Type: {kind}"
    if kind == JSON:
        yield head, json.dumps(instances).encode()
    else:
        yield from ((head, xml.from_json(one)) for one in instances)


@pytest.mark.parametrize("kind", [JSON, XML])
def test_metadata_and_bulk_data(kind: str) -> None:
    """PS3.18 10.5.1: bulk data parts are found by their Content-Location."""
    native = ("Content-Type: application/octet-stream\r\nContent-Location: bulk/1", b"abcd")
    frames = [
        (f"Content-Type: image/jls; transfer-syntax=1.2.840.10008.1.2.4.80\r\nContent-Location: f/frames/{n}", data)
        for n, data in ((2, b"second"), (1, b"first"))
    ]
    compressed = {"_7FE00010": {"vr": "OB", "BulkDataURI": "f"}}
    code, answer, stored = described(kind, *metadata(kind, members(1, **PIXELS), members(2, **compressed)), native, *frames)
    assert (code, reasons(answer), len(stored)) == (200, [], 2)
    one, other = (read(data) for data in stored)
    assert (one.transfer_syntax, other.transfer_syntax) == ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.80")
    pixels = other.find(0x7FE00010)
    assert pixels is not None and pixels.fragments is not None
    assert [bytes(other.buffer[at : at + n]) for at, n in pixels.fragments] == [b"", b"first\0", b"second"]
    assert one.text(0x00080018) == "1.2.3.1" and bytes(one.raw(one.find(0x7FE00010) or pixels)) == b"abcd"


@pytest.mark.parametrize("kind", [JSON, XML])
def test_metadata_alone(kind: str) -> None:
    services = fakes.services()
    services.store = Keeping()
    content = json.dumps(members()).encode() if kind == JSON else xml.from_json(members())
    assert post(content, kind, services).status_code == 200
    assert read(services.store.begun[0].data).text(0x00080018) == "1.2.3.1"


@pytest.mark.parametrize(
    ("parts", "code", "failures"),
    [
        ([*metadata(JSON, members(**PIXELS))], 409, [0xA922]),
        ([*metadata(JSON, members(1), members(2, **PIXELS))], 202, [0xA922]),
        ([*metadata(JSON, members()), ("Content-Type: image/jpeg\r\nContent-Location: x", b"")], 202, [0xC000]),
        ([*metadata(JSON, members()), ("Content-Type: image/jpeg", b"")], 202, [0xC000]),
        ([*metadata(JSON, {"00080018": {"vr": "UI"}})], 409, [0xA900]),
        ([*metadata(XML, members())], 400, []),
        ([("Content-Type: " + JSON, b"[{")], 400, [0xC000]),
        ([("Content-Type: " + JSON, b"[7]")], 409, [0xC000]),
        ([("Content-Type: " + JSON, b"[]")], 400, []),
        ([("Content-Location: x", b"abc")], 400, [0xC000]),
    ],
)
def test_metadata_that_is_wrong(parts: list[tuple[str, bytes]], code: int, failures: list[int]) -> None:
    got, answer, _ = described(JSON, *parts)
    assert (got, reasons(answer)) == (code, failures)


@pytest.mark.parametrize("document", [b"<x>", b"<!DOCTYPE x><NativeDicomModel/>"])
def test_xml_that_cannot_be_read_costs_its_instance(document: bytes) -> None:
    code, answer, stored = described(XML, ("Content-Type: " + XML, document), *metadata(XML, members()))
    assert (code, reasons(answer), len(stored)) == (202, [0xC000], 1)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([b"\r\n--B", b"\r\n--B--", b"\r\n", b"--", b"B", b"Content-Type: ", D.encode(), b"ok", b":"])))
def test_any_body_has_an_answer(pieces: list[bytes]) -> None:
    got = post(b"".join(pieces))
    assert got.status_code in (200, 202, 400, 409)
    assert got.json()


def test_many_parts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    from pacs.dicomweb import multipart

    monkeypatch.setattr(multipart, "MOST_PARTS", 3)
    assert post(body(*[(D, b"ok")] * 3)).status_code == 200
    assert post(body(*[(D, b"ok")] * 4)).status_code == 400
