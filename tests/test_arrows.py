"""Arrows point inward: what each room may import of ours."""

import ast
from pathlib import Path

import pytest

PACS = Path(__file__).parent.parent / "pacs"
MAY = {
    "domain": {"domain"},
    "dicom": {"dicom", "domain"},
    "convert": {"convert", "dicom", "domain"},
    "storage": {"storage", "domain"},
    "repository": {"repository", "domain"},
    "workers": {"workers", "convert", "domain"},
    "services": {"services", "convert", "dicom", "domain"},
    "dicomweb": {"dicomweb", "services", "convert", "dicom", "domain", "bootstrap", "config"},
    "cli": {"cli", "services", "dicomweb", "dicom", "domain", "repository", "storage"}
    | {"background", "bootstrap", "config", "process"},
}
ONLY = {"sqlalchemy": "repository", "alembic": "repository", "litestar": "dicomweb", "pynetdicom": "dimse", "boto3": "storage"}
FILES = sorted(PACS.rglob("*.py"))


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACS)))
def test_a_room_imports_only_inward(path: Path) -> None:
    room = path.relative_to(PACS).parts[0]
    ours = {name.split(".")[1] for name in imported(path) if name.startswith("pacs.")}
    if room in MAY:
        assert ours <= MAY[room]
    for library, home in ONLY.items():
        if any(name.split(".")[0] == library for name in imported(path)):
            assert room == home
