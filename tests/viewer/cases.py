"""The studies that the viewer opens, one a data type, and what has to be seen of each."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent.parent / "data"


@dataclass(frozen=True)
class Case:
    """``path``: the files, below ``tests/data``.  ``frames``: frame requests of the preset ``standard``.

    ``sees``: what shows as the series are opened in turn: an ``image``, an image with ``colour`` over it, ``shapes``
    drawn over it, a document (``embed``), or whatever the viewer makes of it (``any``).  ``text``: words on the page
    where no image is.
    """

    name: str
    what: str
    path: str
    frames: int = 0
    mode: str = "viewer"
    sees: tuple[str, ...] = ()
    text: str = ""
    image: bool = True

    def plan(self, study: str) -> dict[str, Any]:
        """The entry of ``run.mjs``'s plan."""
        expect = "text" if self.text else "image" if self.image else "any"
        place = {"name": self.name, "study": study, "mode": self.mode}
        return {**place, "expect": expect, "text": self.text, "eachSeries": len(self.sees)}


CASES = {
    case.name: case
    for case in (
        Case("ct", "CT, 64 slices", "studies/ct-ibsi2-checkerboard", 64),
        Case("mr", "MR, 4 series", "studies/mr-siemens-4series", 8, sees=("image",) * 4),
        Case("enhanced-mr", "Enhanced MR, 32 frames", "studies/mr-enhanced-philips", 32),
        Case("us", "US, 30 frames, JPEG", "studies/us-colour-multiframe/examples_ybr_color.dcm", 30),
        Case("xa", "XA, 96 frames, JPEG", "studies/xa-multiframe-96", 96),
        Case("mg", "MG, 4 views, JPEG 2000", "studies/made-mammography", 4),
        Case("dx", "DX", "studies/dx-dog", 1),
        Case("nm", "NM, 13 frames", "studies/nm-multiframe", 13),
        Case("seg", "SEG on CT", "studies/ct-liver-seg", 3, sees=("image", "colour")),
        Case("rtstruct", "RTSTRUCT on CT", "studies/ct-lung-rtstruct", 1, sees=("image", "shapes")),
        Case("sr", "SR", "studies/sr-basic", text="Observation Context Mode: DIRECT"),
        Case("documents", "PDF and ECG", "studies/made-documents", sees=("embed", "any", "any", "image"), image=False),
        Case("ecg", "ECG, 12 leads", "studies/ecg"),
        Case("video", "Video, H.264", "transfer-syntaxes/made/video-h264-102.dcm"),
        Case("slides", "WSI pyramid, 3 levels", "made-slides", 120, mode="microscopy"),
    )
}

# Words to type into the viewer's patient box, and the character set of the file they must find.
NAMES = {
    "chrGerm.dcm": "Äneas",
    "chrFren.dcm": "Jérôme",
    "chrRuss.dcm": "Люк",
    "chrGreek.dcm": "Διονυσιος",
    "chrHbrw.dcm": "שרון",
    "chrArab.dcm": "قباني",
    "chrH32.dcm": "ﾔﾏﾀﾞ",
    "chrX2.dcm": "Wang",
}


@cache
def _files() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((DATA / "manifest.json").read_text())["files"]
    return found


def study_below(path: str) -> str:
    """The StudyInstanceUID of the first file below ``path``."""
    uid: str = next(one["study"] for one in _files() if one["path"].startswith(path))
    return uid
