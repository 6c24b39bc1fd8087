"""The data files and what the manifest says of them."""

import json
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent.parent / "data"
FILES: list[dict[str, Any]] = json.loads((DATA / "manifest.json").read_text())["files"]


def load(entry: dict[str, Any]) -> bytes:
    return (DATA / entry["path"]).read_bytes()
