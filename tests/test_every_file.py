"""Every file of the data set through both doors: stored or refused as the manifest says, and back byte for byte."""

import hashlib
import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from pacs.bootstrap import Services, assemble
from pacs.config import load
from pacs.domain.layout import is_incoming
from pacs.domain.model import Identity
from pacs.domain.query import Query, QueryLevel
from pacs.domain.uid import is_uid
from pacs.services.retrieve import Target
from tests.processes import serving

Received = tuple[Path, dict[str, str], dict[Identity, str]]
DATA = Path(__file__).parent / "data"
MANIFEST: list[dict[str, Any]] = json.loads((DATA / "manifest.json").read_text())["files"]


def in_order() -> list[dict[str, Any]]:
    return sorted(MANIFEST, key=lambda f: f["path"])


def open_at(root: Path) -> Services:
    return assemble(load(None, {"staticWadoConfig.rootDir": str(root)}))


@pytest.fixture(scope="module")
def created(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, dict[str, Any]], int]:
    """A root filled by ``mkdicomweb create`` and its report by path."""
    folder = tmp_path_factory.mktemp("created")
    done = subprocess.run(
        [sys.executable, "-m", "pacs.cli.mkdicomweb", "create", "-o", str(folder / "root"), "--report", str(folder / "report"),
         *(str(DATA / name) for name in ("broken", "charsets", "studies", "transfer-syntaxes"))],
        capture_output=True, text=True, timeout=500,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    rows = [json.loads(line) for line in (folder / "report").read_text().splitlines()]
    return folder / "root", {str(Path(row["path"]).relative_to(DATA)): row for row in rows}, done.returncode


@pytest.fixture(scope="module")
def received(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str], dict[Identity, str]]:
    """A root filled by STOW, in path order, over one connection kept alive: a reason for each file refused, and the
    SHA-256 of every instance as it comes back.

    Every fourth request brings a file alone; the others up to 32, none of them of the same instance.
    """
    root = tmp_path_factory.mktemp("received") / "root"
    refused: dict[str, str] = {}
    with serving("-o", root) as base, httpx.Client(base_url=base, timeout=120) as client:
        for batch in requests():
            refused.update(post(client, batch))
        back = {identity: retrieved(client, identity) for identity in expected_bytes()}
    services = open_at(root)
    while services.settler.settle():
        pass
    services.close()
    return root, refused, back


def requests() -> Iterator[list[dict[str, Any]]]:
    """All files in path order, cut into requests."""
    batch: list[dict[str, Any]] = []
    count = 0
    for file in in_order():
        if len(batch) >= (1 if count % 4 == 0 else 32) or file["sop_instance"] in {one["sop_instance"] for one in batch}:
            yield batch
            batch, count = [], count + 1
        batch.append(file)
    yield batch


def post(client: httpx.Client, batch: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Sends the files; (path, reason) of each that is not stored.  Every one is accounted for, in order."""
    parts = [b"\r\n--B\r\nContent-Type: application/dicom\r\n\r\n" + (DATA / f["path"]).read_bytes() for f in batch]
    kind = 'multipart/related; type="application/dicom"; boundary=B'
    got = client.post("/studies", content=b"".join([*parts, b"\r\n--B--\r\n"]), headers={"content-type": kind})
    assert got.headers["content-type"] == "application/dicom+json", got.text
    answer = got.json()
    good = [item["00081155"]["Value"][0] for item in answer.get("00081199", {}).get("Value", [])]
    bad = answer.get("00081198", {}).get("Value", [])
    assert len(good) + len(bad) == len(batch)
    assert got.status_code in ((200, 202) if not bad else (202,) if good else (409,))
    reasons = iter(item["00000902"]["Value"][0] for item in bad)
    assert all(item["00081197"]["Value"][0] >= 0x0110 for item in bad)
    for file in batch:
        if file["sop_instance"] in good:
            good.remove(file["sop_instance"])
        else:
            yield file["path"], next(reasons)


def retrieved(client: httpx.Client, identity: Identity) -> str:
    """The SHA-256 of the instance as it was stored; empty where there is none."""
    url = f"/studies/{identity.study}/series/{identity.series}/instances/{identity.instance}"
    got = client.get(url, headers={"accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'})
    if got.status_code == 404:
        return ""
    assert got.status_code == 200, got.text
    mark = re.search(r'boundary="?([^";]+)', got.headers["content-type"])
    assert mark is not None
    start, end = f"--{mark[1]}\r\n".encode(), f"\r\n--{mark[1]}--\r\n".encode()
    assert got.content.startswith(start) and got.content.endswith(end)
    return hashlib.sha256(got.content[got.content.index(b"\r\n\r\n") + 4 : -len(end)]).hexdigest()


def judged(file: dict[str, Any], stored: bool, reason: str) -> str | None:
    if file["expected"] == "ok" and not file["debatable"] and not stored:
        return f"{file['path']}: refused ({reason})"
    if file["expected"] == "reject" and not file["debatable"] and (stored or not reason):
        return f"{file['path']}: stored, or refused without a reason"
    return None


def test_create_stores_and_refuses_as_the_manifest_says(created: tuple[Path, dict[str, Any], int]) -> None:
    _, report, code = created
    assert code == 3
    assert set(report) == {file["path"] for file in MANIFEST}
    wrong = [judged(f, (r := report[f["path"]])["status"] in ("stored", "replaced", "unchanged"), r["reason"]) for f in MANIFEST]
    assert [w for w in wrong if w] == []
    assert not any(row["status"] == "failed" for row in report.values())


def test_stow_stores_and_refuses_as_the_manifest_says(received: Received) -> None:
    _, refused, _ = received
    wrong = [judged(f, f["path"] not in refused, refused.get(f["path"], "")) for f in MANIFEST]
    assert [w for w in wrong if w] == []


def test_the_bytes_stored_last_come_back_over_http(received: Received) -> None:
    _, _, back = received
    wrong = [
        files[-1]["path"]
        for identity, files in expected_bytes().items()
        if not any(file["debatable"] for file in files) and back[identity] != files[-1]["sha256"]
    ]
    assert wrong == []
    assert sum(map(bool, back.values())) > 950


def expected_bytes() -> dict[Identity, list[dict[str, Any]]]:
    """The files of each triple, in path order."""
    files: dict[Identity, list[dict[str, Any]]] = defaultdict(list)
    for file in in_order():
        if file["expected"] == "ok" and all(is_uid(file[k] or "") for k in ("study", "series", "sop_instance")):
            files[Identity(file["study"], file["series"], file["sop_instance"])].append(file)
    return files


@pytest.mark.parametrize("door", ["created", "received"])
def test_the_bytes_stored_last_come_back(door: str, request: pytest.FixtureRequest) -> None:
    services = open_at(request.getfixturevalue(door)[0])
    wrong, seen = [], 0
    for identity, files in expected_bytes().items():
        row = services.repository.instance(identity)
        if row is None:
            assert all(file["debatable"] for file in files), files
            continue
        got = hashlib.sha256(b"".join(map(bytes, services.retrieve.file(row)))).hexdigest()
        assert got == row.digest
        assert not is_incoming(row.location)
        last = [file for file in files if not file["debatable"]]
        if len(last) == len(files) and got != files[-1]["sha256"]:
            wrong.append(files[-1]["path"])
        seen += 1
    services.close()
    assert wrong == []
    assert seen > 950


def test_both_doors_give_the_same(created: tuple[Path, Any, int], received: Received) -> None:
    a, b = open_at(created[0]), open_at(received[0])
    for identity in expected_bytes():
        one, other = a.repository.instance(identity), b.repository.instance(identity)
        assert (one is None) == (other is None)
        if one is None or other is None:
            continue
        assert (one.digest, one.data_digest, one.transfer_syntax) == (other.digest, other.data_digest, other.transfer_syntax)
        assert one.frames.count == other.frames.count
        assert [(v.path, v.sha256) for v in one.bulk] == [(v.path, v.sha256) for v in other.bulk]
        left, right = (s.retrieve.metadata(Target(*identity)).body for s in (a, b))
        assert left == right
        json.loads(left, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
        places = [s.retrieve.frame_place(identity) for s in (a, b)]
        for number in {1, one.frames.count} if one.frames.count else ():
            assert a.retrieve.frame(places[0], number) == b.retrieve.frame(places[1], number)
    a.close(), b.close()


def test_documents_show_every_current_instance(created: tuple[Path, Any, int]) -> None:
    services = open_at(created[0])
    count = 0
    studies = [row.identity[0] for row in services.repository.search(Query(QueryLevel.STUDY, limit=1000)).rows]
    for study in studies:
        document = services.retrieve.metadata(Target(study))
        shown = [d["00080018"]["Value"][0] for d in json.loads(document.body)]
        assert shown == [row.identity.instance for row in services.repository.instances(study)]
        count += len(shown)
    assert count == services.repository.counts()[2]
    services.close()


def test_nothing_is_stored_twice(tmp_path: Path) -> None:
    root = tmp_path / "root"
    done = subprocess.run([sys.executable, "-m", "pacs.cli.mkdicomweb", "create", "-o", str(root), str(DATA / "studies")],
                          capture_output=True, timeout=300)  # fmt: skip
    assert done.returncode == 3  # the three DICOMDIR files are refused, all else is stored
    taken = sum(f.stat().st_size for f in (DATA / "studies").rglob("*") if f.is_file())
    kept = sum(f.stat().st_size for f in root.rglob("*") if f.is_file() and f.name != "thumbnail")
    assert kept <= 1.05 * taken
    assert kept > 0.3 * taken
    assert not list((root / "incoming").glob("*"))
