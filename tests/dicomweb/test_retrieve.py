"""Status, headers and body for each resource and Accept, in each state (PS3.18 10.4; the section stands in each row)."""

import hashlib
from typing import NamedTuple

import pytest

from tests.dicomweb.served import DATA, FILES, Archive, part_types, split

ELE, JPEG, JLS = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.80"
I = "/studies/{S}/series/{E}/instances/{I}"  # noqa: E741
E, S = "/studies/{S}/series/{E}", "/studies/{S}"
GONE = "/studies/1.2.3"


def multi(kind: str, *syntaxes: str, quoted: bool = True) -> str:
    mark = '"' if quoted else ""
    return f"multipart/related; type={mark}{kind}{mark}" + "".join(f"; transfer-syntax={uid}" for uid in syntaxes)


class Row(NamedTuple):
    """What is asked, and what has to come: the beginning of the content type, and the type of each part."""

    section: str
    kind: str
    path: str
    accept: str | None
    status: int
    type: str = "application/json"
    part: str | None = None


DICOM, OCTETS, PDF = "application/dicom", "application/octet-stream", "application/pdf"
PARTS = 'multipart/related; type="application/dicom"; boundary='
DJSON = "application/dicom+json"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"

ROWS = [
    # Studies, series and instances (10.4.1.1.1; media types 8.7.3; transfer syntax 8.7.3.4)
    Row("DESIGN 8", "native", S, None, 200, DJSON),
    Row("DESIGN 8", "native", E, "*/*", 200, DJSON),
    Row("DESIGN 8", "native", I, BROWSER, 200, DJSON),
    Row("8.7.3", "native", I, "application/json", 200, DJSON),
    Row("8.7.3.4", "native", S, multi(DICOM), 200, PARTS, f"{DICOM}; transfer-syntax={ELE}"),
    Row("8.7.3.4", "native", E, multi(DICOM, quoted=False), 200, PARTS, f"{DICOM}; transfer-syntax={ELE}"),
    Row("8.7.3.4", "lossless", I, multi(DICOM), 200, PARTS, f"{DICOM}; transfer-syntax={ELE}"),
    Row("8.7.3.4", "lossless", I, multi(DICOM, "*"), 200, PARTS, f"{DICOM}; transfer-syntax={JLS}"),
    Row("8.7.3.4", "lossless", I, multi(DICOM, JPEG, JLS), 200, PARTS, f"{DICOM}; transfer-syntax={JLS}"),
    Row("8.7.3.4", "lossless", I, f"{DICOM};q=0.5, {multi(DICOM, ELE)}", 200, PARTS, f"{DICOM}; transfer-syntax={ELE}"),
    Row("8.7.3.4", "lossy", I, multi(DICOM), 200, PARTS, f"{DICOM}; transfer-syntax={JPEG}"),
    Row("8.7.3.4", "lossy", I, multi(DICOM, ELE), 200, PARTS, f"{DICOM}; transfer-syntax={ELE}"),
    Row("8.7.3.4", "deflated", I, multi(DICOM), 200, PARTS, f"{DICOM}; transfer-syntax={ELE}"),
    Row("8.7.3.4", "big", I, multi(DICOM), 200, PARTS, f"{DICOM}; transfer-syntax={ELE}"),
    Row("8.7.3.4", "video", I, multi(DICOM), 200, PARTS, f"{DICOM}; transfer-syntax=1.2.840.10008.1.2.4.102"),
    Row("8.7.3.4", "video", I, multi(DICOM, ELE), 406),
    Row("8.7.3.4", "native", I, multi(DICOM, "1.2.3.4"), 406),
    Row("8.7.3.4", "video", I, f"{multi(DICOM, ELE)}, {multi(DICOM, '*')}; q=0.1", 200, PARTS,
        f"{DICOM}; transfer-syntax=1.2.840.10008.1.2.4.102"),
    Row("8.7.5", "native", I, DICOM, 200, f"{DICOM}; transfer-syntax={ELE}"),
    Row("8.7.5", "lossy", I, f"{DICOM}; transfer-syntax=*", 200, f"{DICOM}; transfer-syntax={JPEG}"),
    Row("8.7.5", "native", S, DICOM, 406),
    Row("8.7.5", "native", E, multi("image/jpeg"), 406),
    Row("8.7.8.1", "native", S, "text/html", 406),
    Row("8.7.8.1", "native", S, "application/json;q=0, application/zip;q=0.1", 200, "application/zip"),
    Row("8.3.3.1", "native", I + "?accept=application/dicom", BROWSER, 200, f"{DICOM}; transfer-syntax={ELE}"),
    Row("PS3.12 V", "lossless", E, "application/zip", 200, "application/zip"),
    Row("PS3.12 V", "native", S, "application/zip; transfer-syntax=*", 200, "application/zip"),
    Row("8.5", "native", GONE, multi(DICOM), 404),
    Row("8.5", "native", GONE, None, 404),
    Row("8.5", "native", "/studies/1..2", None, 400),
    Row("8.5", "native", "/studies/..%2F..%2Fetc", None, 404),
    Row("8.5", "native", "/studies/1.2a", multi(DICOM), 400),
    Row("8.5", "native", S + "?limit=5", None, 400),
    # Metadata (10.4.1.1.2)
    Row("10.4.1.1.2", "native", S + "/metadata", None, 200, DJSON),
    Row("10.4.1.1.2", "native", E + "/metadata", "application/dicom+json, application/json", 200, DJSON),
    Row("10.4.1.1.2", "report", I + "/metadata", "application/json", 200, DJSON),
    Row("10.4.1.1.2", "native", S + "/metadata", multi("application/dicom+xml"), 200,
        'multipart/related; type="application/dicom+xml"', "application/dicom+xml"),
    Row("10.4.1.1.2", "native", I + "/metadata", "application/dicom+xml", 406),
    Row("10.4.1.1.2", "native", GONE + "/metadata", None, 404),
    Row("10.4.1.1.2", "native", GONE + "/metadata", multi("application/dicom+xml"), 404),
    # Frames (10.4.1.1.6, 8.7.3.3)
    Row("8.7.3.3", "lossy", I + "/frames/1", None, 200, 'multipart/related; type="image/jpeg"',
        f"image/jpeg; transfer-syntax={JPEG}"),
    Row("8.7.3.3", "lossy", I + "/frames/1,3", multi("*/*"), 200, 'multipart/related; type="image/jpeg"',
        f"image/jpeg; transfer-syntax={JPEG}"),
    Row("8.7.3.3", "lossy", I + "/frames/2", multi(OCTETS, "*", quoted=False), 200,
        f'multipart/related; type="{OCTETS}"', f"{OCTETS}; transfer-syntax={JPEG}"),
    Row("8.7.3.3", "lossy", I + "/frames/2", multi("image/*"), 200, "multipart/related",
        f"image/jpeg; transfer-syntax={JPEG}"),
    Row("8.7.3.3", "lossy", I + "/frames/1", "image/jpeg", 200, f"image/jpeg; transfer-syntax={JPEG}"),
    Row("8.7.3.3", "lossy", I + "/frames/1,2", "image/jpeg", 406),
    Row("8.7.3.3", "lossy", I + "/frames/1", multi("image/jls", JPEG), 406),
    Row("8.7.3.3", "lossy", I + "/frames/1", OCTETS, 200, f"{OCTETS}; transfer-syntax={ELE}"),
    Row("8.7.3.3", "lossless", I + "/frames/1", multi(OCTETS, ELE), 200, "multipart/related", f"{OCTETS}; transfer-syntax={ELE}"),
    Row("8.7.3.3", "lossless", I + "/frames/1", multi("image/jls"), 200, "multipart/related",
        f"image/jls; transfer-syntax={JLS}"),
    Row("8.7.3.3", "lossless", I + "/frames/1", f"{multi('image/jp2')}; q=0.2, {multi('video/mp4')}", 200, "multipart/related",
        "image/jp2; transfer-syntax=1.2.840.10008.1.2.4.90"),
    Row("8.7.3.3", "native", I + "/frames/13", multi(OCTETS, "1.2.840.10008.1.2"), 200, "multipart/related",
        f"{OCTETS}; transfer-syntax={ELE}"),
    Row("8.7.3.3", "big", I + "/frames", None, 200, "multipart/related", f"{OCTETS}; transfer-syntax={ELE}"),
    Row("8.7.3.3", "deflated", I + "/frames/1", None, 200, "multipart/related", f"{OCTETS}; transfer-syntax={ELE}"),
    Row("8.7.3.3", "video", I + "/frames/1", multi(OCTETS, ELE), 406),
    Row("8.7.3.3", "native", I + "/frames/1?accept=text/html", None, 406),
    Row("10.4.1.1.6", "native", I + "/frames/0", None, 400),
    Row("10.4.1.1.6", "native", I + "/frames/1,x", None, 400),
    Row("10.4.1.1.6", "native", I + "/frames/-1", None, 400),
    Row("10.4.1.1.6", "native", I + "/frames/14", None, 404),
    Row("10.4.1.1.6", "report", I + "/frames", None, 404),
    Row("10.4.1.1.6", "report", I + "/frames/1", None, 404),
    Row("10.4.1.1.6", "native", "/studies/{S}/series/{E}/instances/1.2/frames/1", None, 404),
    # Rendered (10.4.1.1.3, 8.7.4; parameters 8.3.5.1)
    Row("10.4.1.1.3", "native", I + "/rendered", None, 200, "image/jpeg"),
    Row("10.4.1.1.3", "native", I + "/rendered", "image/png", 200, "image/png"),
    Row("10.4.1.1.3", "native", I + "/rendered", "image/gif", 200, "image/gif"),
    Row("10.4.1.1.3", "lossy", I + "/frames/2/rendered?viewport=64,64&quality=50", "image/*", 200, "image/jpeg"),
    Row("10.4.1.1.3", "native", I + "/frames/1,2/rendered", multi("image/png"), 200, 'multipart/related; type="image/png"',
        "image/png"),
    Row("10.4.1.1.3", "native", I + "/frames/1,2/rendered", "image/png", 406),
    Row("10.4.1.1.3", "native", E + "/rendered?window=100,200,linear", None, 200, "multipart/related", "image/jpeg"),
    Row("10.4.1.1.3", "native", S + "/rendered", "image/jpeg", 406),
    Row("10.4.1.1.3", "report", S + "/rendered", None, 406),
    Row("10.4.1.1.3", "report", I + "/rendered", None, 406),
    Row("8.7.4", "pdf", I + "/rendered", BROWSER, 200, PDF),
    Row("8.7.4", "pdf", I + "/rendered", "image/jpeg", 406),
    Row("8.7.4", "cda", I + "/rendered", None, 200, "text/xml"),
    Row("8.7.4", "video", I + "/rendered", "*/*", 200, "video/mp4"),
    Row("8.7.4", "mpeg2", I + "/rendered", "video/*", 200, "video/mpeg"),
    Row("8.3.5.1", "native", I + "/rendered?quality=0", None, 400),
    Row("8.3.5.1", "native", I + "/rendered?quality=101", None, 400),
    Row("8.3.5.1", "native", I + "/rendered?viewport=a,b", None, 400),
    Row("8.3.5.1", "native", I + "/rendered?viewport=1,2,3", None, 400),
    Row("8.3.5.1", "native", I + "/rendered?window=1,0", None, 400),
    Row("8.3.5.1", "native", I + "/rendered?window=1,nan", None, 400),
    Row("8.3.5.1", "native", I + "/rendered?window=1,2,cubic", None, 400),
    Row("8.3.5.1", "native", I + "/rendered?annotation=secret", None, 400),
    Row("8.3.5.1", "native", I + "/rendered?iccprofile=x", None, 400),
    Row("8.3.5.1", "native", I + "/rendered?viewport=5,5&viewport=6,6", None, 400),
    Row("8.3.5.1", "native", I + "/rendered?nonsense=1", None, 400),
    Row("10.4.1.1.3", "native", I + "/frames/14/rendered", None, 404),
    Row("10.4.1.1.3", "native", GONE + "/rendered", None, 404),
    # Thumbnails (10.4.1.1.4)
    Row("10.4.1.1.4", "native", S + "/thumbnail", None, 200, "image/jpeg"),
    Row("10.4.1.1.4", "native", E + "/thumbnail?viewport=256%2C256", "image/jpeg", 200, "image/jpeg"),
    Row("10.4.1.1.4", "lossy", I + "/thumbnail?viewport=64,64", "image/*", 200, "image/jpeg"),
    Row("10.4.1.1.4", "native", I + "/frames/2/thumbnail", None, 200, "image/jpeg"),
    Row("10.4.1.1.4", "report", E + "/thumbnail", "image/jpeg", 200, "image/jpeg"),
    Row("10.4.1.1.4", "report", I + "/thumbnail", None, 200, "image/jpeg"),
    Row("10.4.1.1.4", "native", S + "/thumbnail", "text/html", 406),
    Row("10.4.1.1.4", "native", S + "/thumbnail?viewport=0,5", None, 400),
    Row("10.4.1.1.4", "native", I + "/frames/1,2/thumbnail", None, 400),
    Row("10.4.1.1.4", "native", I + "/frames/99/thumbnail", None, 404),
    Row("10.4.1.1.4", "native", GONE + "/thumbnail", None, 404),
    # Bulk data (10.4.1.1.5)
    Row("DESIGN 8", "ecg", S + "/bulkdata", None, 200, "application/json"),
    Row("DESIGN 8", "ecg", GONE + "/bulkdata", None, 404),
    Row("10.4.1.1.5", "ecg", S + "/bulkdata/{I}/54000100/0/54001010", OCTETS, 200, OCTETS),
    Row("10.4.1.1.5", "ecg", S + "/bulkdata/{I}/54000100/0/54001010", "*/*", 200, OCTETS),
    Row("10.4.1.1.5", "ecg", S + "/bulkdata/{I}/54000100/0/54001010", multi("*/*"), 200, "multipart/related", OCTETS),
    Row("10.4.1.1.5", "ecg", S + "/bulkdata/{I}/54000100/0/54001010", "image/jpeg", 406),
    Row("10.4.1.1.5", "ecg", S + "/bulkdata/{I}/00420011", None, 404),
    Row("10.4.1.1.5", "ecg", S + "/bulkdata/{I}/00420011/..%2Fx", None, 400),
    Row("10.4.1.1.5", "ecg", S + "/bulkdata/1.2/54001010", None, 404),
    Row("10.4.1.1.5", "ecg", S + "/bulkdata/" + "0" * 64, None, 404),
    Row("10.4.1.1.5", "ecg", S + "/bulkdata/zz", None, 400),
    # By URI (chapter 9)
    Row("9.5", "native", "/wado?requestType=WADO&studyUID={S}&seriesUID={E}&objectUID={I}", None, 200, "image/jpeg"),
    Row("9.4", "native", "/wado?requestType=WADO&studyUID={S}&seriesUID={E}&objectUID={I}&contentType=application/dicom", None,
        200, f"{DICOM}; transfer-syntax={ELE}"),
    Row("9.4.2", "lossless", "/wado?requestType=WADO&studyUID={S}&seriesUID={E}&objectUID={I}&contentType=application/dicom"
        "&transferSyntax=*", None, 200, f"{DICOM}; transfer-syntax={JLS}"),
    Row("9.4.2", "lossless", "/wado?requestType=WADO&studyUID={S}&seriesUID={E}&objectUID={I}&contentType=application/dicom"
        "&transferSyntax=1.2.3", None, 200, f"{DICOM}; transfer-syntax={ELE}"),
    Row("9.5.2", "native", "/wado?requestType=WADO&studyUID={S}&seriesUID={E}&objectUID={I}&contentType=image/png&frameNumber=2"
        "&rows=32&columns=32&region=0.1,0.1,0.9,0.9&windowCenter=100&windowWidth=200&imageQuality=50", None, 200, "image/png"),
    Row("9.5.2", "native", "/wado?requestType=WADO&studyUID={S}&seriesUID={E}&objectUID={I}&windowCenter=1", None, 400),
    Row("9.5.2", "native", "/wado?requestType=WADO&studyUID={S}&seriesUID={E}&objectUID={I}&region=0,0,2,1", None, 400),
    Row("9.5.2", "native", "/wado?requestType=WADO&studyUID={S}&seriesUID={E}&objectUID={I}&frameNumber=0", None, 400),
    Row("9.5.2", "native", "/wado?requestType=WADO&studyUID={S}&seriesUID={E}&objectUID={I}&frameNumber=99", None, 404),
    Row("9.4.2", "native", "/wado?requestType=WADO&studyUID={S}&seriesUID={E}&objectUID={I}&anonymize=yes", None, 400),
    Row("9.1.2.1", "native", "/wado?studyUID={S}&seriesUID={E}&objectUID={I}", None, 400),
    Row("9.1.2.1", "native", "/wado?requestType=WADO&studyUID={S}&seriesUID={E}", None, 400),
    Row("9.1.2.2", "native", "/wado?requestType=WADO&studyUID={S}&seriesUID={E}&objectUID={I}&contentType=text/html", None, 406),
    Row("9.1.2.2", "pdf", "/wado?requestType=WADO&studyUID={S}&seriesUID={E}&objectUID={I}", None, 200, PDF),
    Row("9.1.2.2", "report", "/wado?requestType=WADO&studyUID={S}&seriesUID={E}&objectUID={I}", None, 200, DICOM),
    Row("9", "native", "/wado?requestType=WADO&studyUID=1.2&seriesUID={E}&objectUID={I}", None, 404),
    # Capabilities (8.9)
    Row("8.9", "native", "/capabilities", None, 200, "application/json"),
    Row("8.9", "native", "/capabilities", "application/vnd.sun.wadl+xml", 200, "application/vnd.sun.wadl+xml"),
    Row("8.9", "native", "/capabilities", "image/png", 406),
    Row("8.5", "native", "/nothing", None, 404),
    Row("8.5", "native", S + "/nothing", None, 404),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda r: f"{r.section} {r.kind} {r.path[-60:]} {r.accept}")
def test_answers(archive: Archive, row: Row) -> None:
    got = archive.ask(row.path, row.kind, **({"accept": row.accept} if row.accept else {}))
    assert got.status_code == row.status, got.text[:300]
    assert got.headers["content-type"].startswith(row.type)
    assert got.headers["access-control-allow-origin"] == "*" and got.headers["x-content-type-options"] == "nosniff"
    if row.status >= 400:
        problem = got.json()
        assert problem["status"] == row.status and problem["detail"]
        assert bool(problem.get("available")) == (row.status == 406 and "/rendered" not in row.path or "available" in problem)
    else:
        assert got.headers["etag"].startswith('"') and got.headers["cache-control"] == "no-cache"
        assert "/wado" in row.path or "Accept" in got.headers["vary"]
    if row.part is not None:
        assert set(part_types(got)) == {row.part}


ANSWERED = [row for row in ROWS if row.status == 200]


@pytest.mark.parametrize("row", ANSWERED, ids=lambda r: f"{r.section} {r.kind} {r.path[-60:]} {r.accept}")
def test_head_and_conditional(settled: Archive, row: Row) -> None:
    """RFC 9110 9.3.2 and 13.1.2: HEAD has the headers of GET; an entity tag once given is answered with 304."""
    accept = {"accept": row.accept} if row.accept else {}
    got = settled.ask(row.path, row.kind, **accept)
    head = settled.ask(row.path, row.kind, "HEAD", **accept)
    assert (head.status_code, head.content) == (200, b"")
    same = ("content-type", "etag", "vary", "accept-ranges", "content-encoding")
    assert {n: head.headers.get(n) for n in same} == {n: got.headers.get(n) for n in same}
    if "content-length" in head.headers:
        assert int(head.headers["content-length"]) == len(got.content)
    again = settled.ask(row.path, row.kind, if_none_match=f'"x", {got.headers["etag"]}', **accept)
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", got.headers["etag"])


@pytest.mark.parametrize("kind", FILES)
def test_stored_bytes_come_back(archive: Archive, kind: str) -> None:
    """8.7.3.4: ``transfer-syntax=*`` is what came in, byte for byte, its length told before."""
    whole = (DATA / FILES[kind]).read_bytes()
    single = archive.ask(I, kind, accept="application/dicom; transfer-syntax=*")
    assert single.content == whole and int(single.headers["content-length"]) == len(whole)
    several = archive.ask(E, kind, accept=multi(DICOM, "*"))
    assert hashlib.sha256(whole).digest() in {hashlib.sha256(content).digest() for _, content in split(several)}
    assert int(several.headers["content-length"]) == len(several.content)
