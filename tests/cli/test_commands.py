"""``migrate``, ``list``, ``export``, ``--help``, and plain Alembic."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.processes import Done, line, run

PROJECT = Path(__file__).parent.parent.parent
HEAVY = ("numpy", "pydicom", "sqlalchemy", "alembic", "litestar", "uvicorn", "imagecodecs")


@pytest.mark.parametrize("words", [[], ["create"], ["migrate"], ["list"], ["export"]], ids=str)
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    seen = _modules("pacs.cli.mkdicomweb", [*words, "--help"])
    assert not seen & set(HEAVY)


def test_help_of_the_server_imports_nothing_heavy() -> None:
    assert not _modules("pacs.cli.dicomwebserver", ["--help"]) & set(HEAVY)


def _modules(module: str, words: list[str]) -> set[str]:
    code = (
        "import importlib, sys\n"
        f"sys.argv = ['x', *{words!r}]\n"
        "try:\n"
        f"    importlib.import_module({module!r}).main()\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end.code\n"
        "print('\\n', *sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "Usage" in done.stdout, done.stderr
    return set(done.stdout.splitlines()[-1].split())


def test_migrate_twice_and_from_two_processes(tmp_path: Path) -> None:
    root = tmp_path / "new" / "root"
    both = [subprocess.Popen(line("mkdicomweb", "migrate", "-o", root), stderr=subprocess.PIPE, text=True) for _ in range(2)]
    assert [(one.communicate(timeout=120)[1], one.returncode) for one in both] == [("", 0), ("", 0)]
    assert run("mkdicomweb", "migrate", "-o", root).returncode == 0
    assert run("mkdicomweb", "list", "-o", root).stdout == ""


def test_plain_alembic_reads_the_same_configuration(tmp_path: Path) -> None:
    config = tmp_path / "config.json5"
    config.write_text(json.dumps({"staticWadoConfig": {"rootDir": str(tmp_path / "root")}}))
    done = subprocess.run([sys.executable, "-m", "alembic", "upgrade", "head"], cwd=PROJECT, capture_output=True, text=True,
                          timeout=120, env={**os.environ, "PACS_CONFIG": str(config)})  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "root-index.sqlite").exists()
    assert run("mkdicomweb", "list", "-c", config).returncode == 0


def listed(root: Path, *words: object) -> Done:
    return run("mkdicomweb", "list", "-o", root, *words)


def test_list(root: Path) -> None:
    table = listed(root)
    studies = json.loads(listed(root, "--json").stdout)
    assert (table.returncode, len(table.stdout.splitlines())) == (0, len(studies))
    uid = studies[0]["0020000D"]["Value"][0]
    assert [one["0020000D"]["Value"][0] for one in json.loads(listed(root, f"StudyInstanceUID={uid}", "--json").stdout)] == [uid]
    assert uid in listed(root, f"0020000D={uid}").stdout
    assert listed(root, "PatientID=nobody").stdout == ""
    assert json.loads(listed(root, "PatientID=nobody", "--json").stdout) == []
    assert "more (--limit)" in listed(root, "--limit", 1).stdout


@pytest.mark.parametrize("words", [["Nonsense=1"], ["StudyDate=yesterday"], ["--limit", "0"]], ids=str)
def test_list_with_a_wrong_filter_is_a_usage_error(root: Path, words: list[str]) -> None:
    done = listed(root, *words)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert words[0].split("=")[0] in done.stderr


def document(path: Path) -> Any:
    return json.loads(gzip.decompress(path.read_bytes()))


def test_export(root: Path, tmp_path: Path) -> None:
    """Canonical names only: packs are taken apart, and an instance that replaced another is at its own name."""
    studies = [one["0020000D"]["Value"][0] for one in json.loads(listed(root, "--json").stdout)]
    kept = {path.name for path in root.rglob("*")}
    assert "frames.pack" in kept and any("~" in name for name in kept)
    site = tmp_path / "site"
    done = run("mkdicomweb", "export", *studies, "--to", site, "-o", root)
    assert done.returncode == 0, done.stderr
    names = {path.name for path in site.rglob("*")}
    assert "frames.pack" not in names and "shell" not in names and not any("~" in name for name in names)
    assert sorted(one["0020000D"]["Value"][0] for one in document(site / "studies/index.json")) == sorted(studies)
    for study in studies:
        place = site / "studies" / study
        assert document(place / "index.json")[0]["0020000D"]["Value"] == [study]
        whole = document(place / "metadata")
        count = 0
        for record in document(place / "series/index.json"):
            series = place / "series" / record["0020000E"]["Value"][0]
            metadata = document(series / "metadata")
            found = document(series / "instances/index.json")
            assert len(metadata) == len(found) == record["00201209"]["Value"][0]
            for one in metadata:
                folder = series / "instances" / one["00080018"]["Value"][0]
                assert document(folder / "metadata")[0]["00080018"] == one["00080018"]
                if "BulkDataURI" in one.get("7FE00010", {}):
                    frames = int(one.get("00280008", {}).get("Value", [1])[0])
                    assert {path.name for path in (folder / "frames").iterdir()} == {str(n + 1) for n in range(frames)}
            count += len(metadata)
        assert count == len(whole)


def test_export_of_an_unknown_study(root: Path, tmp_path: Path) -> None:
    done = run("mkdicomweb", "export", "1.2.3", "--to", tmp_path / "site", "-o", root)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "1.2.3" in done.stderr
