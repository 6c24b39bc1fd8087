"""A clone stands alone: nothing outside of it is needed, and where its test data comes from is written down."""

import json
from pathlib import Path

PROJECT = Path(__file__).parent.parent
DATA = PROJECT / "tests" / "data"
PARTS = ("pacs", "migrations", "tests", "bench", ".ci", "Makefile", "pyproject.toml", "config.json5", "alembic.ini", "README.md")
TEXT = {".py", ".md", ".js", ".mjs", ".sh", ".json", ".json5", ".toml", ".ini", ".mako", ""}


def texts() -> list[Path]:
    found = [PROJECT / part for part in PARTS]
    files = [path for top in found for path in (top.rglob("*") if top.is_dir() else [top])]
    return [path for path in files if path.is_file() and path.suffix in TEXT and DATA not in path.parents]


def test_nothing_refers_to_what_is_outside() -> None:
    outside = ["../" + "shared", "/" + "work/"]
    files = texts()
    assert len(files) > 100
    assert [str(path) for path in files if any(one in path.read_text("utf-8", "replace") for one in outside)] == []


def test_every_test_file_has_a_source_and_a_licence() -> None:
    files = json.loads((DATA / "manifest.json").read_text())["files"]
    assert {(DATA / file["path"]).is_file() for file in files} == {True}
    assert [file["path"] for file in files if not file["source"] or not file["licence"]] == []
    page = (DATA / "README.md").read_text()
    folders = {"/".join(Path(file["path"]).parts[:2]) for file in files}
    assert sorted(folder for folder in folders if f"`{folder}`" not in page) == []
    rows = {line.split("|")[1].strip(" `"): line for line in page.splitlines() if line.startswith("| `")}
    licences = {one.strip() for folder in folders for one in rows[folder].split("|")[4].split(";")}
    assert licences and all(licences)
