"""Small letters of 5 x 7 points: text burnt into a picture, and the picture of an object that has none."""

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from pacs.convert.media import jpeg

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[Any]

# seven rows from the top, each of five points, the leftmost the highest bit: a digit to base 32
_GLYPHS = {
    " ": "0000000", "A": "ehhvhhh", "B": "uhhuhhu", "C": "ehggghe", "D": "sihhhis", "E": "vggugsv", "F": "vggsggg",
    "G": "ehgnhhf", "H": "hhhvhhh", "I": "e44444e", "J": "72222ic", "K": "hikokih", "L": "ggggggv", "M": "hrllhhh",
    "N": "hhpljhh", "O": "ehhhhhe", "P": "uhhuggg", "Q": "ehhhlid", "R": "uhhukih", "S": "fgge11u", "T": "v444444",
    "U": "hhhhhhe", "V": "hhhhha4", "W": "hhhllla", "X": "hha4ahh", "Y": "hhha444", "Z": "v1248gv", "0": "ehjlphe",
    "1": "4c4444e", "2": "eh1248v", "3": "v2421he", "4": "26aiv22", "5": "vgu11he", "6": "68guhhe", "7": "v124888",
    "8": "ehhehhe", "9": "ehhf12c", ".": "00000cc", ",": "0000c48", ":": "0cc0cc0", "-": "000v000", "+": "044v440",
    "/": "01248g0", "(": "2488842", ")": "8422248", "=": "00v0v00", "?": "eh12404", "!": "4444404", "'": "c480000",
    "^": "4ah0000", "_": "000000v", "*": "04lel40", "%": "op248j3", "#": "aavavaa", "&": "cik8lid",
}  # fmt: skip
_ROWS, _COLUMNS = 7, 5
_BACKGROUND, _CARD, _INK = 32, 64, 190


def burn_in(image: "Array", lines: Sequence[str]) -> "Array":
    """The image with lines of text in its upper left corner, white with a black edge.

    Letters without a glyph (not Latin) show as ``?``; lines too long for the image are cut.
    """
    import numpy as np

    out = np.array(image)
    scale = max(1, min(image.shape[:2]) // 256)
    for number, line in enumerate(lines):
        mask = _scaled(_mask(line), scale)
        top, left = scale * (2 + number * (_ROWS + 3)), scale * 2
        mask = np.pad(mask, scale)[: max(0, image.shape[0] - top), : max(0, image.shape[1] - left)]
        if not mask.size:
            break
        part = out[top : top + mask.shape[0], left : left + mask.shape[1]]
        part[_spread(mask, scale)] = 0
        part[mask] = 255
    return out


def placeholder(text: str, size: tuple[int, int]) -> bytes:
    """A grey card with a few letters (the modality's), as JPEG of ``size`` (width, height)."""
    import numpy as np

    width, height = size
    image = np.full((height, width), _BACKGROUND, "u1")
    edge = max(1, min(width, height) // 8)
    image[edge : height - edge, edge : width - edge] = _CARD
    mask = _mask(text[:6] or "?")
    scale = min((width - 2 * edge) * 2 // (3 * mask.shape[1]), (height - 2 * edge) // (2 * mask.shape[0]))
    if scale > 0:
        mask = _scaled(mask, scale)
        top, left = (height - mask.shape[0]) // 2, (width - mask.shape[1]) // 2
        image[top : top + mask.shape[0], left : left + mask.shape[1]][mask] = _INK
    return jpeg(image, 85)


def _mask(text: str) -> "Array":
    """The points of the text, seven rows."""
    import numpy as np

    plain = unicodedata.normalize("NFKD", text)
    glyphs = [_GLYPHS.get(char, _GLYPHS["?"]) for char in plain.upper() if not unicodedata.combining(char)] or [_GLYPHS[" "]]
    rows = np.array([[int(digit, 32) for digit in glyph] for glyph in glyphs], "u1")  # letters x rows
    points = rows[:, :, None] >> np.arange(_COLUMNS - 1, -1, -1) & 1
    spaced = np.pad(points, ((0, 0), (0, 0), (0, 1)))
    whole: Array = spaced.transpose(1, 0, 2).reshape(_ROWS, -1)[:, :-1].astype("?")
    return whole


def _scaled(mask: "Array", scale: int) -> "Array":
    import numpy as np

    return np.repeat(np.repeat(mask, scale, 0), scale, 1)


def _spread(mask: "Array", by: int) -> "Array":
    """The points within ``by`` of a set one."""
    import numpy as np

    padded = np.pad(mask, by)
    rows, columns = mask.shape
    out = np.zeros_like(mask)
    for down in (0, by, 2 * by):
        for across in (0, by, 2 * by):
            out |= padded[down : down + rows, across : across + columns]
    return out
