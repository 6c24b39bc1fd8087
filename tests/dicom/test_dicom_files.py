"""The walk and the frames of every file of the test data."""

from __future__ import annotations

import orjson
import pytest

from pacs.dicom.json import dataset_json
from pacs.dicom.pixels import layout
from pacs.dicom.reader import read
from pacs.dicom.syntax import syntax
from pacs.domain.errors import Refused
from tests.dicom.data import FILES, load

_BYTES = ("truncated", "cut off", "not DICOM", "no DICOM", "past the end", "beyond the file")
_SMALL = [entry for entry in FILES if entry["bytes"] < 3_000_000 and "bomb" not in entry["path"]]


def test_ok_files_are_read() -> None:
    for entry in FILES:
        if entry["expected"] != "ok" or "bomb" in entry["path"]:
            continue
        file = read(load(entry))
        assert file.text(0x00080018) == entry["sop_instance"], entry["path"]
        if entry["transfer_syntax"]:
            assert file.transfer_syntax == entry["transfer_syntax"], entry["path"]


def test_broken_bytes_are_refused() -> None:
    broken = [e for e in FILES if e["expected"] == "reject" and any(word in e["why"] for word in _BYTES)]
    assert len(broken) >= 10
    for entry in broken:
        if entry["path"].endswith("truncated-in-header.dcm"):
            continue  # cut between two elements: well-formed, but without its UIDs
        with pytest.raises(Refused):
            read(load(entry))


def test_frames_found() -> None:
    for entry in FILES:
        if entry["expected"] != "ok" or "bomb" in entry["path"]:
            continue
        file = read(load(entry))
        found = layout(file)
        video = syntax(file.transfer_syntax).media_type.startswith("video/")
        if found.kind != "none":
            assert found.count == (1 if video else entry["frames"] or 1), entry["path"]


def test_json_is_strict_and_total() -> None:
    for entry in _SMALL:
        try:
            file = read(load(entry))
        except Refused:
            continue
        memo: dict[bytes, bytes] = {}
        plain = dataset_json(file, None)
        assert isinstance(orjson.loads(plain), dict)
        assert dataset_json(file, None, memo) == plain
        assert dataset_json(file, None, memo) == plain
