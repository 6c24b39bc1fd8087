"""Metadata lines that are made when an instance comes."""

import json
from pathlib import Path

import pytest

from pacs.convert.describe import describe
from pacs.convert.levels import Levels
from pacs.dicom.reader import Limits, read
from pacs.services.lines import LONG, Lines

STUDY = Path(__file__).parents[1] / "data" / "studies" / "ct-lung-rtstruct"


@pytest.mark.parametrize("path", sorted(STUDY.glob("*.dcm")), ids=lambda path: path.name)
def test_a_line_is_made_where_the_file_is_short_without_its_pixels(path: Path) -> None:
    """2 MB of contours would make every transaction of their batch heavy; 512 kB of pixels do not."""
    whole = path.read_bytes()
    file = read(whole, Limits())
    line = Lines().short(file, describe(file, whole, "", 4096, Levels()))
    assert len(whole) > LONG
    if file.text(0x00080060) == "RTSTRUCT":
        assert line == b""
    else:
        assert json.loads(line)["7FE00010"]["BulkDataURI"] == f"instances/{file.text(0x00080018)}/frames"
