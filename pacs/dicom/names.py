"""Names of attributes: keywords, tags and paths of them (PS3.6; PS3.18 8.3.4.1)."""

import difflib
import re
from functools import lru_cache

from pydicom._dicom_dict import DicomDictionary
from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword

_HEX = re.compile(r"[0-9A-Fa-f]{8}\Z")
_SHORT = re.compile(r"\(?([0-9A-Fa-f]{4}),\s*([0-9A-Fa-f]{4})\)?\Z")


def tag_of(name: str) -> str | None:
    """The tag (eight upper case hex digits) of a keyword or tag; None when there is no such attribute."""
    if _HEX.match(name):
        tag = int(name, 16)
        return name.upper() if (tag >> 16) % 2 == 1 or _public_vr(tag) else None
    found = tag_for_keyword(name) if len(name) <= 64 else None
    return None if found is None else f"{found:08X}"


def path_of(name: str) -> str | None:
    """The tags of ``Sequence.Attribute``, with dots; None unless each is known and all but the last are sequences."""
    tags = [tag_of(piece) for piece in name.split(".")]
    found = [tag for tag in tags if tag is not None]
    if len(found) < len(tags) or any(vr_of(tag) not in ("SQ", "") for tag in found[:-1]):
        return None
    return ".".join(found)


def plain_tag(text: str) -> str:
    """``(gggg,eeee)`` and ``gggg,eeee`` without their marks; anything else as it is."""
    found = _SHORT.match(text)
    return (found[1] + found[2]).upper() if found else text


def _public_vr(tag: int) -> str:
    try:
        return dictionary_VR(tag)
    except KeyError:
        return ""


def vr_of(tag: str) -> str:
    """The VR of a public tag, the first where there is a choice; "" for a private or unknown one."""
    return _public_vr(int(tag, 16))[:2]


def keyword_of(path: str) -> str:
    """The keywords of a path of tags; a private tag stands for itself."""
    return ".".join(keyword_for_tag(int(tag, 16)) or tag for tag in path.split("."))


def is_multiple(tag: str) -> bool:
    """Whether a public attribute may have several values."""
    entry = DicomDictionary.get(int(tag, 16))
    return entry is not None and entry[1] != "1"


@lru_cache(maxsize=1)
def _keywords() -> tuple[str, ...]:
    return tuple(entry[4] for entry in DicomDictionary.values() if entry[4])


@lru_cache(maxsize=256)
def nearest(name: str, among: tuple[str, ...] = ()) -> str | None:
    """The keyword most like a name that is none."""
    if not 2 < len(name) <= 64:
        return None
    names = {keyword.lower(): keyword for keyword in among or _keywords()}
    found = difflib.get_close_matches(name.lower(), names, 1, 0.7)
    return names[found[0]] if found else None
