"""Accept headers and the choice among representations (PS3.18 8.7.3, 8.7.5, 8.7.8; RFC 9110 12.5.1)."""

import re
from collections.abc import Iterable, Sequence
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


class Offer(NamedTuple):
    """A representation at hand.

    ``types``: media types it may be asked by, the first is what it is.  ``syntaxes``: transfer syntaxes that a request
    has to name, all of them, when it names any (None: not looked at).
    """

    name: str
    types: tuple[str, ...]
    multipart: bool = False
    syntaxes: tuple[str, ...] | None = None

    def label(self) -> str:
        """As it would be written in an Accept header."""
        text = f'{MULTIPART}; type="{self.types[0]}"' if self.multipart else self.types[0]
        return text + "".join(f"; transfer-syntax={uid}" for uid in self.syntaxes or ())


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


def parse(header: str) -> list[MediaRange]:
    """The alternatives of an Accept header; no header is ``*/*``.

    A bare UID between commas continues the unquoted transfer syntax list before it.
    """
    found: list[MediaRange] = []
    for piece in split(header, ","):
        if found and found[-1].syntaxes and _UID.match(piece):
            found[-1] = found[-1]._replace(syntaxes=(*found[-1].syntaxes, piece))
        else:
            found.append(_range(piece))
    return found or [MediaRange(ANY)]


def _weight(pattern: str, types: Iterable[str]) -> int:
    """How precisely ``pattern`` names one of ``types``: 0 not at all, 1 ``*/*``, 2 ``x/*``, 3 exactly."""
    if pattern == ANY:
        return 1
    if pattern.endswith("/*"):
        return 2 * any(t.startswith(pattern[:-1]) for t in types)
    return 3 * (pattern in types)


def _syntax_fits(wanted: MediaRange, offer: Offer) -> bool:
    if not wanted.syntaxes or "*" in wanted.syntaxes or offer.syntaxes is None:
        return True
    return set(offer.syntaxes) <= set(wanted.syntaxes)


def _fit(wanted: MediaRange, offer: Offer) -> int:
    """Precision of the match, 0 for none."""
    if not _syntax_fits(wanted, offer):
        return 0
    if wanted.media == ANY:
        return 1
    if not offer.multipart:
        return _weight(wanted.media, offer.types)
    if wanted.media not in (MULTIPART, "multipart/*"):
        return 0
    inner = _weight(wanted.type or ANY, offer.types)
    return inner and inner + 3 + bool(wanted.syntaxes)


def choose(ranges: Sequence[MediaRange], offers: Sequence[Offer]) -> Offer:
    """The offer with the highest q; then the one named most precisely; then the first (PS3.18 8.7.8.1)."""
    best: tuple[float, int] | None = None
    chosen: Offer | None = None
    for offer in offers:
        fits = [(_fit(wanted, offer), wanted.q) for wanted in ranges]
        weight, q = max(fits, default=(0, 0.0))
        if weight and q and (best is None or (q, weight) > best):
            best, chosen = (q, weight), offer
    if chosen is None:
        raise NotAcceptable("the Accept header fits nothing available here", tuple(o.label() for o in offers))
    return chosen
