"""What the index keeps of a file."""

import json
from pathlib import Path

import pytest

from pacs.convert.describe import LONG, Memo, describe
from pacs.convert.levels import Levels
from pacs.dicom.reader import Limits, read

STUDY = Path(__file__).parents[1] / "data" / "studies" / "ct-lung-rtstruct"


@pytest.mark.parametrize("path", sorted(STUDY.glob("*.dcm")), ids=lambda path: path.name)
def test_the_line_is_kept_where_the_file_is_short_without_its_pixels(path: Path) -> None:
    """2 MB of contours would make every transaction of its batch heavy; 512 kB of pixels do not."""
    whole = path.read_bytes()
    file = read(whole, Limits())
    line = describe(file, whole, "", 4096, Levels(), Memo()).line
    assert len(whole) > LONG
    if file.text(0x00080060) == "RTSTRUCT":
        assert line == b""
    else:
        assert json.loads(line)["7FE00010"]["BulkDataURI"] == f"instances/{file.text(0x00080018)}/frames"
