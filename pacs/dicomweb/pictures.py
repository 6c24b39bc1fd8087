"""The parameters of rendered resources (PS3.18 8.3.5.1): read, checked, named when wrong."""

import math

from pacs.dicomweb.requests import one, only
from pacs.domain.errors import BadRequest
from pacs.domain.model import RenderOptions, Viewport

Query = list[tuple[str, str]]
PARAMETERS = ("viewport", "window", "quality", "annotation", "iccprofile")
QUALITY, LARGEST = 85, 16384
FUNCTIONS = ("linear", "linear-exact", "sigmoid")
ANNOTATIONS = ("patient", "technique")
PROFILES = ("no", "yes", "srgb", "adobergb", "rommrgb", "displayp3")


def whole(text: str, name: str, least: int, most: int) -> int:
    """A whole number within bounds."""
    if not (text.isascii() and text.isdigit() and len(text) < 16 and least <= int(text) <= most):
        raise BadRequest(f"{name}={text[:60]!r}: a whole number from {least} to {most} is wanted")
    return int(text)


def number(text: str, name: str) -> float:
    """A finite decimal."""
    try:
        value = float(text) if len(text) < 40 and "_" not in text else math.nan
    except ValueError:
        value = math.nan
    if not abs(value) < 1e12:
        raise BadRequest(f"{name}: {text[:60]!r} is not a number")
    return value


def _members(text: str, name: str, counts: tuple[int, ...]) -> list[str]:
    found = [piece.strip() for piece in text.split(",")]
    if len(found) not in counts:
        raise BadRequest(f"{name}={text[:60]!r}: {' or '.join(map(str, counts))} values are wanted, by comma")
    return found


def size(text: str, name: str = "viewport") -> tuple[int, int]:
    """Width and height, from 1 to 16384."""
    width, height = (round(number(piece, name)) for piece in _members(text, name, (2,)))
    if not (0 < width <= LARGEST and 0 < height <= LARGEST):
        raise BadRequest(f"{name}={text[:60]!r}: width and height from 1 to {LARGEST}")
    return width, height


def viewport(text: str | None) -> Viewport | None:
    """``viewport=vw,vh[,sx,sy,sw,sh]`` (8.3.5.1.3); members of the region left empty are None."""
    if text is None:
        return None
    found = _members(text, "viewport", (2, 6))
    wanted = size(",".join(found[:2]))
    x, y, width, height = (number(piece, "viewport") if piece else None for piece in (found[2:] or [""] * 4))
    if (x or 0) < 0 or (y or 0) < 0 or width == 0 or height == 0:
        raise BadRequest(f"viewport={text[:60]!r}: the region begins inside the image and is not empty")
    return (*wanted, x, y, width, height)


def window(text: str | None) -> tuple[float, float, str] | None:
    """``window=center,width[,function]`` (8.3.5.1.4)."""
    if text is None:
        return None
    found = _members(text, "window", (2, 3))
    center, width = number(found[0], "window"), number(found[1], "window")
    function = found[2].lower() if found[2:] else "linear"
    if function not in FUNCTIONS:
        raise BadRequest(f"window={text[:60]!r}: the function is one of {', '.join(FUNCTIONS)}")
    if not (width >= 1 if function == "linear" else width > 0):
        raise BadRequest(f"window={text[:60]!r}: the width is too small")
    return center, width, function


def quality(text: str | None) -> int:
    """``quality`` from 1 to 100 (8.3.5.1.2)."""
    return QUALITY if text is None else whole(text, "quality", 1, 100)


def annotation(text: str | None) -> tuple[str, ...]:
    """``annotation=patient,technique`` (8.3.5.1.1)."""
    found = tuple(dict.fromkeys(piece.strip().lower() for piece in (text or "").split(",") if piece.strip()))
    for piece in found:
        if piece not in ANNOTATIONS:
            raise BadRequest(f"annotation={piece[:60]!r}: one or both of {', '.join(ANNOTATIONS)}")
    return found


def profile(text: str | None) -> str:
    """``iccprofile`` (8.3.5.1.5)."""
    if text is not None and text.lower() not in PROFILES:
        raise BadRequest(f"iccprofile={text[:60]!r}: one of {', '.join(PROFILES)}")
    return (text or "no").lower()


def options(query: Query) -> RenderOptions:
    """The options of a rendered resource; BadRequest names what is wrong or not known."""
    only(query, *PARAMETERS)
    return RenderOptions(
        viewport(one(query, "viewport")),
        window(one(query, "window")),
        quality(one(query, "quality")),
        annotation(one(query, "annotation")),
        profile(one(query, "iccprofile")),
    )
