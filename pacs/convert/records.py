"""Records of searches (PS3.18 10.6.3.3): ready members, sorted and joined."""

from base64 import b64encode
from collections.abc import Iterator

import orjson

from pacs.convert.describe import at_rest
from pacs.domain.model import Found, Level
from pacs.domain.query import Query, QueryLevel

_FIXED = (b'"00080005":{"vr":"CS","Value":["ISO_IR 192"]}', b'"00080056":{"vr":"CS","Value":["ONLINE"]}')
_UIDS = tuple(b'"%s":{"vr":"UI","Value":["%%s"]}' % tag for tag in (b"0020000D", b"0020000E", b"00080018"))
_PATHS = ("studies", "series", "instances")


def split(ready: bytes) -> list[bytes]:
    """The members of a level; JSON text holds no bare line feed."""
    pieces = ready.split(b",\n")
    if len(pieces) == 1 and b'},"' in ready:  # written by an older program
        return [orjson.dumps({tag: value})[1:-1] for tag, value in orjson.loads(b"{" + ready + b"}").items()]
    return pieces if ready else []


class Recorder:
    """Writes the records of one query.  ``base`` None leaves RetrieveURL out: a wrong one is worse than none."""

    def __init__(self, query: Query, base: str | None) -> None:
        self._query, self._base = query, base
        self._shown = query.shown
        self._paths: dict[str, list[list[str]]] = {}
        for path in query.include:
            tag, dot, rest = path.partition(".")
            if dot and tag not in query.include:
                self._paths.setdefault(tag, []).append(rest.split("."))

    def record(self, found: Found) -> bytes:
        """One record, members ascending by tag (PS3.18 F.2.2)."""
        members = {one[:10]: one for one in _FIXED}
        for level, values in zip(QueryLevel, found.levels, strict=False):
            for one in self._of_level(level, values):
                members[one[:10]] = one
        for one in self._of_index(found):
            members[one[:10]] = one
        for uid, template in zip(found.identity, _UIDS, strict=False):
            one = template % uid.encode()
            members[one[:10]] = one
        return b"{" + b",".join(sorted(members.values())) + b"}"

    def _of_level(self, level: QueryLevel, values: Level) -> Iterator[bytes]:
        if level in self._shown:
            yield from split(values.json)
        elif self._query.include:
            yield from (one for one in split(values.json) if self._query.wants(one[1:9].decode()))
        if not values.extra:
            return
        everything = self._query.include_all and level in self._shown
        for tag, ready in values.extra.items():
            if everything or tag in self._query.include:
                yield from ready.split(b",\n")
            elif tag in self._paths:
                yield _projected(tag, ready, self._paths[tag])

    def _of_index(self, found: Found) -> Iterator[bytes]:
        """What only the index knows.  No ModalitiesInStudy without Value: OHIF's study list fails on it."""
        modalities = b",".join(b'"%s"' % _plain(one) for one in found.modalities)
        if modalities and self._asked(QueryLevel.STUDY, "00080061"):
            yield b'"00080061":{"vr":"CS","Value":[%s]}' % modalities
        if self._asked(QueryLevel.STUDY, "00201206"):
            yield b'"00201206":{"vr":"IS","Value":[%d]}' % found.series_count
        for level, tag, count in zip(QueryLevel, ("00201208", "00201209"), found.instances, strict=False):
            if self._asked(level, tag):
                yield b'"%s":{"vr":"IS","Value":[%d]}' % (tag.encode(), count)
        if found.sop_classes:
            yield b'"00080062":{"vr":"UI","Value":[%s]}' % b",".join(b'"%s"' % uid.encode() for uid in found.sop_classes)
        if found.transfer_syntax:
            yield b'"00083002":{"vr":"UI","Value":["%s"]}' % at_rest(found.transfer_syntax).encode()
        if found.key:
            yield b'"0008041B":{"vr":"OB","InlineBinary":"%s"}' % b64encode(found.key)
        if self._base is not None:
            path = "".join(f"/{name}/{uid}" for name, uid in zip(_PATHS, found.identity, strict=False))
            yield b'"00081190":{"vr":"UR","Value":["%s"]}' % (self._base + path).encode()

    def _asked(self, level: QueryLevel, tag: str) -> bool:
        return level in self._shown or tag in self._query.include


def _projected(tag: str, ready: bytes, paths: list[list[str]]) -> bytes:
    """A sequence with only the attributes asked for (PS3.4 C.2.2.2.6)."""
    element = orjson.loads(b"{" + ready + b"}")[tag]
    items = [item for item in element.get("Value") or [] if isinstance(item, dict)]
    if items:
        element["Value"] = [_pruned(item, paths) for item in items]
    return b'"%s":' % tag.encode() + orjson.dumps(element)


def _pruned(item: dict[str, object], paths: list[list[str]]) -> dict[str, object]:
    kept: dict[str, object] = {}
    for tag, value in item.items():
        deeper = [path[1:] for path in paths if path[0] == tag]
        if not deeper:
            continue
        inner = value.get("Value") if isinstance(value, dict) else None
        if all(deeper) and isinstance(value, dict) and isinstance(inner, list):
            value = {**value, "Value": [_pruned(one, deeper) for one in inner if isinstance(one, dict)]}
        kept[tag] = value
    return kept


def _plain(text: str) -> bytes:
    return "".join(c for c in text if c.isalnum() or c in " _-").encode()
