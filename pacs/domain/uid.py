"""Unique identifiers (PS3.5 section 9)."""

import re

from pacs.domain.cause import Cause
from pacs.domain.errors import Refused

_UID = re.compile(r"[0-9]+(\.[0-9]+)*\Z")
MAX_UID = 64


def is_uid(text: str) -> bool:
    """Whether ``text`` is digits and single dots, at most 64 characters.

    Leading zeros in a component are common in old files and harmless in a path: they pass.
    """
    return len(text) <= MAX_UID and _UID.match(text) is not None


def parse_uid(text: str, name: str) -> str:
    """The UID without its padding; :class:`Refused` names the attribute when it is none."""
    uid = text.strip(" \0")
    if not uid:
        raise Refused(f"{name} is missing or empty", Cause.NO_IDENTITY)
    if not is_uid(uid):
        reason = f"{name} {uid[:70]!r} is not a UID (digits and dots, at most {MAX_UID} characters)"
        raise Refused(reason, Cause.NO_IDENTITY)
    return uid
