"""What all resources share: ranges, codings, links, methods, the documents made from the table."""

import gzip
import io
import json
import re
import zipfile
from typing import Any

import numpy
import pydicom
import pytest
from imagecodecs import zstd_decode
from pydicom.fileset import FileSet

from pacs.dicomweb import capabilities, openapi, resources
from pacs.dicomweb.wado import HANDLERS
from pacs.domain.errors import RenderFailed
from tests.dicomweb.served import DATA, FILES, Archive, part_types, send, split
from tests.dicomweb.test_retrieve import ELE, GONE, E, I, S, multi

PROXY = {"x_forwarded_proto": "https", "x_forwarded_host": "pacs.example", "x_forwarded_prefix": "/x"}
VALUE = S + "/bulkdata/{I}/54000100/0/54001010"


@pytest.mark.parametrize(
    ("path", "kind", "accept"),
    [
        (I, "lossless", "application/dicom; transfer-syntax=*"),
        (I + "/rendered", "video", "video/mp4"),
        (I + "/rendered", "pdf", "application/pdf"),
        (S + "/thumbnail", "native", "image/jpeg"),
        (I + "/rendered", "native", "image/png"),
        (VALUE, "ecg", "application/octet-stream"),
        ("/wado?requestType=WADO&studyUID={S}&seriesUID={E}&objectUID={I}", "video", ""),
    ],
)
def test_ranges(archive: Archive, path: str, kind: str, accept: str) -> None:
    """RFC 9110 14: a single range is 206, one outside 416, several or none understood are the whole."""
    whole = archive.ask(path, kind, accept=accept)
    size, tag = len(whole.content), whole.headers["etag"]
    assert whole.headers["accept-ranges"] == "bytes" and int(whole.headers["content-length"]) == size

    def ranged(text: str, **more: str) -> tuple[int, str | None, bytes]:
        got = archive.ask(path, kind, accept=accept, range=text, **more)
        return got.status_code, got.headers.get("content-range"), got.content

    for text, first, last in (("bytes=0-", 0, size - 1), ("bytes=5-9", 5, 9), ("bytes=-7", size - 7, size - 1)):
        assert ranged(text) == (206, f"bytes {first}-{last}/{size}", whole.content[first : last + 1])
    assert ranged(f"bytes={size}-")[:2] == (416, f"bytes */{size}")
    for text in ("bytes=0-1,3-4", "pages=1-2", "bytes=x", "bytes=9-5"):
        assert ranged(text) == (200, None, whole.content)
    assert ranged("bytes=0-0", if_range=tag)[0] == 206
    assert ranged("bytes=0-0", if_range='"other"')[0] == 200


def _uris(value: Any) -> list[str]:
    if isinstance(value, list):
        return [uri for one in value for uri in _uris(one)]
    if not isinstance(value, dict):
        return []
    own = [value["BulkDataURI"]] if "BulkDataURI" in value else []
    return own + [uri for one in value.values() for uri in _uris(one)]


@pytest.mark.parametrize("level", [S, E, I])
@pytest.mark.parametrize("kind", FILES)
def test_every_uri_of_metadata_resolves(archive: Archive, kind: str, level: str) -> None:
    """PS3.18 F.2.6: relative to the document, absolute behind a proxy; each is single part and multipart."""
    path = level + "/metadata"
    base = archive.url(path, kind).rsplit("/", 1)[0] + "/"
    relative = _uris(archive.ask(path, kind).json())
    absolute = _uris(archive.ask(path, kind, **PROXY).json())
    joined = [_join(base, uri) for uri in relative]
    assert [uri.removeprefix("https://pacs.example/x") for uri in absolute] == joined
    if kind in ("native", "ecg"):
        assert joined
    for uri in joined:
        several = send(archive.services, uri, headers={"accept": multi("*/*")})
        assert several.status_code == 200 and part_types(several), uri
        if "/bulkdata/" in uri:
            one = send(archive.services, uri)
            assert (one.status_code, one.content) == (200, split(several)[0][1])


def _join(base: str, uri: str) -> str:
    path = base + uri
    while "/../" in path:
        path = re.sub(r"/[^/]+/\.\./", "/", path, count=1)
    return path


def test_documents_have_the_type_their_attribute_says(archive: Archive) -> None:
    """10.4.1.1.5; and none can act as a page of this server, but PDF, whose viewers cannot be sandboxed."""
    for kind, media in (("pdf", "application/pdf"), ("cda", "text/xml"), ("stl", "model/stl")):
        got = archive.ask(I + "/rendered", kind)
        assert got.headers["content-type"] == media
        assert ("sandbox" in got.headers.get("content-security-policy", "")) == (kind != "pdf")
        file = pydicom.dcmread(DATA / FILES[kind])
        assert got.content == file.EncapsulatedDocument[: file.get("EncapsulatedDocumentLength")]


@pytest.mark.parametrize("level", [S, E, I])
def test_metadata_codings(archive: Archive, level: str) -> None:
    """RFC 9110 8.4 and 8.8.3: the same document in each coding, each with an entity tag of its own."""
    path, tags = level + "/metadata", set()
    plain = archive.ask(path).json()
    for name in ("identity", "gzip", "zstd"):
        for links in ({}, PROXY):
            got = archive.ask(path, accept_encoding=name, **links)
            assert got.headers.get("content-encoding", "identity") == name
            tags.add(got.headers["etag"])
            body = zstd_decode(got.content) if name == "zstd" and not _decoded(got.content) else got.content
            if not links:
                assert json.loads(body) == plain
            assert archive.ask(path, accept_encoding=name, if_none_match=got.headers["etag"], **links).status_code == 304
    assert len(tags) == 6


def _decoded(body: bytes) -> bool:
    return body[:1] == b"["


def test_frames_are_never_coded(settled: Archive) -> None:
    for path in ("/frames/1", "/rendered", "/thumbnail"):
        assert "content-encoding" not in settled.ask(I + path, accept_encoding="gzip, zstd").headers


def test_search_is_coded_and_conditional(settled: Archive) -> None:
    got = settled.ask("/instances", accept_encoding="gzip")
    assert got.headers["content-encoding"] == "gzip" and "Accept-Encoding" in got.headers["vary"]
    assert settled.ask("/instances", accept_encoding="gzip", if_none_match=got.headers["etag"]).status_code == 304
    assert settled.ask("/instances").headers["etag"] != got.headers["etag"]


def test_transcoded_frames_are_the_pixels(settled: Archive) -> None:
    """8.7.3.3: frames in Explicit LE are what pydicom decodes."""
    got = settled.ask(I + "/frames/1", "lossless", accept=multi("application/octet-stream", ELE))
    expected = pydicom.dcmread(DATA / FILES["lossless"]).pixel_array
    assert numpy.array_equal(numpy.frombuffer(split(got)[0][1], expected.dtype).reshape(expected.shape), expected)


@pytest.mark.parametrize(("accept", "kind"), [("application/zip; transfer-syntax=*", "lossless"), ("application/zip", "ecg")])
def test_zip_holds_files_and_their_directory(archive: Archive, accept: str, kind: str, tmp_path: Any) -> None:
    """PS3.12 Annex V, PS3.3 Annex F: another reader finds every file by the DICOMDIR."""
    got = archive.ask(S, kind, accept=accept)
    with zipfile.ZipFile(io.BytesIO(got.content)) as archived:
        assert archived.testzip() is None
        archived.extractall(tmp_path)
    found = FileSet(tmp_path / "DICOMDIR")
    loaded = [one.load() for one in found]
    assert {one.SOPInstanceUID for one in loaded} >= {archive.identities[kind].instance}
    assert all(one.PatientID == str(data.PatientID) for one, data in zip(found, loaded, strict=True))
    if "*" in accept:
        stored = {(DATA / FILES[kind]).read_bytes()}
        assert stored & {(tmp_path / "/".join(name)).read_bytes() for name in _names(tmp_path)}


def _names(folder: Any) -> list[list[str]]:
    records = pydicom.dcmread(folder / "DICOMDIR").DirectoryRecordSequence
    return [list(one.ReferencedFileID) for one in records if "ReferencedFileID" in one]


def test_thumbnail_that_cannot_be_drawn_is_a_picture_that_says_why(settled: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """10.4.1.1.4: viewers give up thumbnails for good after one 404."""

    def fail(*_: Any) -> bytes:
        raise RenderFailed('cannot decode "\u00e9\r\n"')

    monkeypatch.setattr(settled.services.pictures, "thumbnail", fail)
    got = settled.ask(I + "/thumbnail", accept="image/jpeg")
    assert got.status_code == 200 and got.content.startswith(b"\xff\xd8")
    assert got.headers["warning"] == "299 static-dicomweb \"no picture: cannot decode '?  '\""


def test_default_is_a_setting(settled: Archive) -> None:
    services, setting = settled.services, {"retrieve_default": "dicom"}
    server = services.settings.server.model_copy(update=setting)
    object.__setattr__(services, "settings", services.settings.model_copy(update={"server": server}))
    try:
        assert settled.ask(S).headers["content-type"].startswith("multipart/related")
        assert settled.ask(S, accept="application/json").headers["content-type"] == "application/dicom+json"
    finally:
        server = services.settings.server.model_copy(update={"retrieve_default": "metadata"})
        object.__setattr__(services, "settings", services.settings.model_copy(update={"server": server}))


@pytest.mark.parametrize("resource", resources.RESOURCES, ids=lambda r: f"{r.method} {r.path}")
def test_methods_and_preflight(settled: Archive, resource: resources.Resource) -> None:
    """RFC 9110 9.1 and 9.3.7: OPTIONS tells the methods, another method is 405 with Allow, both with CORS (8.10)."""
    given = {"study": "1.2", "series": "1.3", "instance": "1.4", "frames": "1", "digest": "0" * 64, "path": "00420011"}
    path = re.sub(r"{(\w+)\*?}", lambda found: given[found[1]], resource.path)
    told = settled.ask(path, method="OPTIONS", origin="http://viewer", access_control_request_method="GET")
    assert told.status_code == 204 and resource.method in told.headers["allow"].split(", ")
    assert told.headers["access-control-allow-methods"] == told.headers["allow"]
    refused = settled.ask(path, method="PATCH")
    assert (refused.status_code, refused.headers["allow"]) == (405, told.headers["allow"])
    assert refused.headers["access-control-allow-origin"] == "*" and refused.json()["detail"]


def test_posting_to_a_retrieved_resource(settled: Archive) -> None:
    got = settled.ask(S + "/metadata", method="POST")
    assert (got.status_code, got.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


@pytest.mark.parametrize("path", ["", "/"])
def test_capabilities_of_the_root(settled: Archive, path: str) -> None:
    """8.9: OPTIONS of the service root."""
    got = settled.ask(path, method="OPTIONS", accept="application/vnd.sun.wadl+xml")
    assert got.status_code == 200 and got.text.count("<resource ") == len({one.path for one in resources.RESOURCES})


def test_the_table_is_what_is_served() -> None:
    """Every row has a handler and is told; nothing else is."""
    assert {one.handler for one in resources.RETRIEVED} == set(HANDLERS)
    told = capabilities.described("/dicomweb")["resources"]
    paths = openapi.document("/dicomweb")["paths"]
    for one, row in zip(resources.RESOURCES, told, strict=True):
        assert row["path"] == one.path.replace("*}", "}")
        operation = paths["/dicomweb" + row["path"]][one.method.lower()]
        assert sorted(operation["responses"]) == sorted(map(str, one.statuses))
        assert one.path.split("/")[1].encode() in capabilities.page()
    for one in resources.RETRIEVED:
        found = resources.find(one.path.replace("{", "").replace("*}", "}").replace("}", ""))
        assert found is not None and found.resource is one


def test_unknown_study_is_gone_everywhere(settled: Archive) -> None:
    for one in resources.RETRIEVED:
        if "{study}" in one.path and "{series}" not in one.path:
            path = re.sub(r"{(\w+)\*?}", lambda f: {"digest": "0" * 64, "path": "00420011"}.get(f[1], "1.2.3"), one.path)
            assert settled.ask(path).status_code == 404, path
    assert settled.ask(GONE + "/thumbnail").status_code == 404


def test_stored_gzip_passes_through(settled: Archive) -> None:
    study, series, _ = settled.identities["native"]
    stored = settled.services.storage.get(f"studies/{study}/series/{series}/metadata")
    assert gzip.decompress(stored) == settled.ask(E + "/metadata").content
