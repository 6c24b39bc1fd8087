"""Values in the form the index compares them, per VR: stored ones and those of a query alike (PS3.4 C.2.2.2, PS3.5 6.2)."""

import re
import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation

LONGEST = 512
"""Characters of a text that are compared."""

_TIME = re.compile(r"(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d{1,6}))?)?)?\Z")
_MOMENT = re.compile(r"(\d{4}(?:\d\d){0,5})(?:\.(\d{1,6}))?([+-]\d{4})?\Z")
_LETTERS = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ð": "d", "æ": "ae", "œ": "oe", "þ": "th", "ı": "i"})
_NUMBERS = frozenset(("IS", "DS", "US", "SS", "UL", "SL", "UV", "SV", "FL", "FD"))


def fold(name: str) -> str:
    """A person name for comparing: case and accents folded, empty components and groups at an end left out."""
    plain = unicodedata.normalize("NFKD", name)
    bare = "".join(c for c in plain if not "\u0300" <= c <= "\u036f").casefold().translate(_LETTERS)
    return "=".join(_group(group) for group in bare.split("=")).rstrip("=")


def _group(text: str) -> str:
    return "^".join(component.strip() for component in text.split("^")).rstrip("^")


def words(folded: str) -> list[str]:
    """The words of a folded name."""
    return [word for word in re.split(r"[\s^=,]+", folded) if word]


def name_values(tag: str, folded: str) -> dict[str, tuple[tuple[int, str], ...]]:
    """What finds a folded name beside itself: its words under ``tag~``, its component groups under ``tag=``."""
    found = {f"{tag}~": tuple((0, word) for word in dict.fromkeys(words(folded)))}
    if "=" in folded:
        found[f"{tag}="] = tuple((0, group) for group in dict.fromkeys(folded.split("=")) if group)
    return found


def date(text: str) -> str | None:
    """A date as YYYYMMDD (YYYY.MM.DD of ACR-NEMA too); None when it is none."""
    text = text.replace(".", "") if text[4:5] == "." else text
    if len(text) != 8 or not (text.isascii() and text.isdigit()):
        return None
    try:
        datetime.strptime(text, "%Y%m%d")
    except ValueError:
        return None
    return text


def time(text: str, last: bool = False) -> str | None:
    """A time as HHMMSS.FFFFFF, its first moment or its ``last`` one (``10`` is 100000.000000 to 105959.999999)."""
    found = _TIME.match(text.replace(":", "")) if text.isascii() else None
    if found is None:
        return None
    parts = [int(part or 0) for part in found.groups()[:3]]
    if parts[0] > 23 or parts[1] > 59 or parts[2] > 60:
        return None
    digits = "".join(part or "" for part in found.groups()[:3])
    fraction = found[4] or ""
    if last:
        return digits + "235959"[len(digits) :] + "." + fraction.ljust(6, "9")
    return digits.ljust(6, "0") + "." + fraction.ljust(6, "0")


def moment(text: str, last: bool = False) -> str | None:
    """A date time as YYYYMMDDHHMMSS.FFFFFF, in UTC when it says its offset."""
    found = _MOMENT.match(text) if text.isascii() else None
    if found is None:
        return None
    digits, fraction, offset = found.groups()
    fill, part = ("99991231235959", "9") if last else ("00000101000000", "0")
    whole = digits + fill[len(digits) :]
    if last and len(digits) == 6:
        whole = f"{digits}{_days(digits):02d}235959"
    try:
        at = datetime.strptime(whole, "%Y%m%d%H%M%S")
        if offset:
            ahead = timedelta(hours=int(offset[:3]), minutes=int(offset[0] + offset[3:]))
            at = at.replace(tzinfo=timezone(ahead)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return at.strftime("%Y%m%d%H%M%S").rjust(14, "0") + "." + (fraction or "").ljust(6, part)


def _days(month: str) -> int:
    """The last day of YYYYMM."""
    year, number = int(month[:4]), int(month[4:])
    if number in (4, 6, 9, 11):
        return 30
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return (29 if leap else 28) if number == 2 else 31


def number(text: str) -> str | None:
    """A number in one form: ``01``, ``1.0`` and ``1e0`` are ``1``; None when it is none."""
    try:
        value = Decimal(text.strip()) if len(text) < 64 else Decimal("NaN")
    except InvalidOperation:
        return None
    if not value.is_finite() or abs(value.adjusted()) > 40:
        return None
    return format(value.normalize() + 0, "f")


def indexed(vr: str, text: str) -> str | None:
    """A stored value as the index keeps it, None for no (valid) value."""
    text = text.strip(" \0").replace("\0", "")
    if not text:
        return None
    if vr == "PN":
        return fold(text)[:LONGEST] or None
    if vr == "DA":
        return date(text)
    if vr == "TM":
        return time(text)
    if vr == "DT":
        return moment(text)
    return number(text) if vr in _NUMBERS else text[:LONGEST]


def is_number(vr: str) -> bool:
    """Whether values of the VR are compared as numbers."""
    return vr in _NUMBERS
