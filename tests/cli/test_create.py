"""``mkdicomweb create``: what it takes, what it reports, how it ends."""

import gzip
import json
import os
import shutil
import signal
import subprocess
import time
import zipfile
from pathlib import Path
from typing import Any

from pacs.bootstrap import assemble
from pacs.config import load
from tests.cli.conftest import DATA
from tests.processes import line, run

FIELDS = ["path", "status", "reason", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "seconds"]
MEDIA = DATA / "studies" / "dicomdir-tree"
SLICES = sorted((DATA / "studies" / "mr-siemens-4series").rglob("*.dcm"))


def created(folder: Path, *paths: Path) -> tuple[int, dict[str, dict[str, Any]]]:
    """Exit code and the report by path."""
    done = run("mkdicomweb", "create", "-o", folder / "root", "--report", folder / "report", *paths)
    assert "Traceback" not in done.stderr, done.stderr
    rows = [json.loads(text) for text in (folder / "report").read_text().splitlines()]
    return done.returncode, {row["path"]: row for row in rows}


def test_files_folders_gzip_and_zip(tmp_path: Path) -> None:
    folder = tmp_path / "in" / "deep"
    folder.mkdir(parents=True)
    shutil.copy(SLICES[0], folder / "a.dcm")
    packed = tmp_path / "b.dcm.gz"
    packed.write_bytes(gzip.compress(SLICES[1].read_bytes()))
    archive = tmp_path / "c.zip"
    with zipfile.ZipFile(archive, "w") as made:
        made.write(SLICES[2], "x/one")
        made.writestr("x/two", b"not DICOM")
    code, rows = created(tmp_path, tmp_path / "in", packed, archive, SLICES[3])
    assert code == 3
    assert {path: row["status"] for path, row in rows.items()} == {
        str(folder / "a.dcm"): "stored",
        str(packed): "stored",
        f"{archive}!/x/one": "stored",
        f"{archive}!/x/two": "refused",
        str(SLICES[3]): "stored",
    }
    for row in rows.values():
        assert list(row) == FIELDS
        assert (row["status"] == "refused") == bool(row["reason"]) == (not row["SOPInstanceUID"])
        assert row["seconds"] >= 0
    code, rows = created(tmp_path, tmp_path / "in", packed)
    assert (code, {row["status"] for row in rows.values()}) == (0, {"unchanged"})


def test_media(tmp_path: Path) -> None:
    """A DICOMDIR stands for the files it refers to; in a folder it is a file like others."""
    directory = next(path for path in sorted(MEDIA.rglob("DICOMDIR")) if path.is_file())
    code, rows = created(tmp_path, directory)
    assert code == 0 and len(rows) > 10
    assert all(row["status"] == "stored" and not path.endswith("DICOMDIR") for path, row in rows.items())


def test_an_archive_that_is_none_or_unpacks_to_too_much(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04 no archive")
    (tmp_path / "b.gz").write_bytes(gzip.compress(bytes(3_000_000)))
    (tmp_path / "c.gz").write_bytes(gzip.compress(SLICES[0].read_bytes())[:-100])
    config = tmp_path / "c.json5"
    config.write_text("{staticWadoConfig: {maxInflatedBytes: 1000000}}")
    done = run("mkdicomweb", "create", "-c", config, "-o", tmp_path / "root", *sorted(tmp_path.glob("*.[zg]*")))
    assert done.returncode == 3
    refusals = [text for text in done.stderr.splitlines() if text.startswith("refused: ")]
    assert len(refusals) == 3
    assert any("maxInflatedBytes" in text and "b.gz" in text for text in refusals)


def test_what_failed_is_exit_1(tmp_path: Path) -> None:
    """A storage that fails half-way: the studies folder is a file."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "studies").write_text("in the way")
    code, rows = created(tmp_path, SLICES[0])
    assert code == 1
    assert [row["status"] for row in rows.values()] == ["failed"]
    assert next(iter(rows.values()))["reason"]


def test_interrupted_and_again(tmp_path: Path) -> None:
    """Ctrl-C: one line, no traceback, nothing half; the same command completes the work."""
    study = DATA / "studies" / "mr-ge-4series-600"
    root = tmp_path / "root"
    command = line("mkdicomweb", "create", "-o", root, "--processes", 1, study)
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 120
    while not list(root.glob("studies/*/log/*")) and process.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert errors.splitlines() == ["mkdicomweb: interrupted; the same command again goes on"]
    assert run("mkdicomweb", "create", "-o", root, study).returncode == 0
    services = assemble(load(None, {"staticWadoConfig.rootDir": str(root)}))
    assert services.repository.counts() == (1, 4, 600)
    services.close()
