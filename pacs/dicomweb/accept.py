"""Accept headers and the choice among representations (PS3.18 8.7.3, 8.7.5, 8.7.8; RFC 9110 12.5.1)."""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from pacs.domain.errors import NotAcceptable

ANY = "*/*"
MULTIPART = "multipart/related"
_UID = re.compile(r"[0-9.]+\Z")


class MediaRange(NamedTuple):
    """One alternative of an Accept header; ``syntaxes`` empty when no transfer syntax is named."""

    media: str
    q: float = 1.0
    type: str = ""
    syntaxes: tuple[str, ...] = ()


class Form(NamedTuple):
    """A representation that can be sent.

    ``types``: media types it may be asked by, the first is what it is.  ``transfer``: it is in a transfer syntax, which a
    request may name; ``syntaxes``: those that can be made, as far as they are known.
    """

    name: str
    types: tuple[str, ...]
    multipart: bool = False
    transfer: bool = False
    syntaxes: tuple[str, ...] = ()

    def label(self) -> str:
        """As it would be written in an Accept header."""
        text = f'{MULTIPART}; type="{self.types[0]}"' if self.multipart else self.types[0]
        return text + "".join(f"; transfer-syntax={uid}" for uid in self.syntaxes)


def split(text: str, separator: str) -> list[str]:
    """``text`` cut at ``separator`` outside of double quotes; empty pieces left out."""
    pieces, current, quoted = [], "", False
    for char in text:
        if char == '"':
            quoted = not quoted
        if char == separator and not quoted:
            pieces.append(current)
            current = ""
        else:
            current += char
    pieces.append(current)
    return [piece.strip() for piece in pieces if piece.strip()]


def parameters(text: str) -> tuple[str, list[tuple[str, str]]]:
    """A media type and its parameters, names in lower case, quotes removed."""
    head, *rest = split(text, ";") or [""]
    pairs = [piece.partition("=") for piece in rest]
    return head.lower(), [(name.strip().lower(), value.strip().strip('"')) for name, _, value in pairs]


def _quality(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 1.0


def _range(text: str) -> MediaRange:
    media, pairs = parameters(text)
    q, kind, syntaxes = 1.0, "", []
    for name, value in pairs:
        if name == "q":
            q = _quality(value)
        elif name == "type":
            kind = value.lower()
        elif name == "transfer-syntax":
            syntaxes += [uid.strip() for uid in value.split(",") if uid.strip()]
    return MediaRange("*/*" if media == "*" else media, q, kind, tuple(syntaxes))


@lru_cache(maxsize=1024)
def parse(header: str) -> tuple[MediaRange, ...]:
    """The alternatives of an Accept header; no header is ``*/*``.

    A bare UID between commas continues the unquoted transfer syntax list before it.
    """
    found: list[MediaRange] = []
    for piece in split(header, ","):
        if found and found[-1].syntaxes and _UID.match(piece):
            found[-1] = found[-1]._replace(syntaxes=(*found[-1].syntaxes, piece))
        else:
            found.append(_range(piece))
    return tuple(found) or (MediaRange(ANY),)


def _weight(pattern: str, types: Iterable[str]) -> int:
    """How precisely ``pattern`` names one of ``types``: 0 not at all, 1 ``*/*``, 2 ``x/*``, 3 exactly."""
    if pattern == ANY:
        return 1
    if pattern.endswith("/*"):
        return 2 * any(t.startswith(pattern[:-1]) for t in types)
    return 3 * (pattern in types)


def fit(wanted: MediaRange, form: Form) -> int:
    """How precisely a range names a form, by media type alone; 0 for not at all."""
    if wanted.media == ANY:
        return 1
    if not form.multipart:
        return _weight(wanted.media, form.types)
    if wanted.media not in (MULTIPART, "multipart/*"):
        return 0
    inner = _weight(wanted.type or ANY, form.types)
    return inner and inner + 3


def fitting(ranges: Sequence[MediaRange], form: Form) -> list[MediaRange]:
    """The ranges that let a form through, the most precise first, then by q.

    A range with q=0 shuts out what less precise ones let in (RFC 9110 12.5.1).
    """
    found = [(fit(wanted, form), wanted) for wanted in ranges]
    closed = max((weight for weight, wanted in found if not wanted.q and not wanted.syntaxes), default=0)
    opened = [(weight, wanted) for weight, wanted in found if wanted.q and weight > closed]
    return [wanted for _, wanted in sorted(opened, key=lambda one: (-one[0], -one[1].q))]


def ranked(ranges: Sequence[MediaRange], forms: Sequence[Form]) -> list[tuple[Form, list[MediaRange]]]:
    """The forms a request takes, each with the ranges that fit: by q, then by precision, then in their own order."""
    found = [(form, fits) for form in forms if (fits := fitting(ranges, form))]
    return sorted(found, key=lambda one: (-one[1][0].q, -fit(one[1][0], one[0])))


@lru_cache(maxsize=1024)
def choose(ranges: tuple[MediaRange, ...], forms: tuple[Form, ...]) -> Form:
    """The form that is wanted most; NotAcceptable names those there are (PS3.18 8.7.8.1)."""
    found = ranked(ranges, forms)
    if not found:
        raise refusal(forms)
    return found[0][0]


def refusal(forms: Sequence[Form], detail: str = "the Accept header fits nothing available here") -> NotAcceptable:
    """The 406 that lists what there is."""
    return NotAcceptable(detail, tuple(form.label() for form in forms))


class Targets(NamedTuple):
    """The transfer syntaxes something stored can be sent in: ``ready`` ones, the stored one first; those only given to who
    names them; and the one for who names none (PS3.18 8.7.3.4)."""

    ready: tuple[str, ...]
    by_name: tuple[str, ...]
    default: str

    def asked(self, wanted: MediaRange) -> str | None:
        """The one a range asks for; None: none of them.  ``*`` is the stored one, and so it is when its name is among others."""
        if not wanted.syntaxes:
            return self.default
        if "*" in wanted.syntaxes or self.ready[0] in wanted.syntaxes:
            return self.ready[0]
        return next((uid for uid in wanted.syntaxes if uid in self.ready or uid in self.by_name), None)

    def first(self, ranges: Sequence[MediaRange]) -> str | None:
        """The first that can be made, of ranges in order of preference."""
        return next((found for one in ranges if (found := self.asked(one))), None)
