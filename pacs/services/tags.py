"""Extra searchable tags: what the configuration names, and the index of what was stored before it was named."""

import logging
from collections.abc import Callable

from pacs.convert.levels import apart
from pacs.dicom.names import is_multiple, keyword_of, path_of, plain_tag, vr_of
from pacs.domain.attributes import STANDARD, VALUES, Attribute, Catalogue, QueryLevel
from pacs.domain.errors import PacsError
from pacs.domain.model import Level, TagRow
from pacs.domain.ports import Repository
from pacs.services.open import Opener

BATCH = 64
_log = logging.getLogger(__name__)
_SEARCHED = frozenset((
    "AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "LT", "PN",
    "SH", "SL", "SS", "ST", "SV", "TM", "UC", "UI", "UL", "UR", "US", "UT", "UV",
))  # fmt: skip


def attribute_of(tag: str, level: str, vr: str | None = None, creator: str | None = None) -> Attribute:
    """The attribute of a configured tag; ValueError says what is wrong with it."""
    tag = plain_tag(tag)
    path = path_of(tag)
    if path is None:
        raise ValueError(f"'{tag}' is neither a keyword nor a tag of an attribute (nor a path of them)")
    last = path.rpartition(".")[2]
    private = int(last[:4], 16) % 2 == 1
    if private and creator is None:
        raise ValueError(f"'{tag}' is private: its creator is needed")
    if private and not 0x10 <= int(last[4:6], 16) <= 0xFF:
        raise ValueError(f"'{tag}' is no private attribute: (gggg,xxee) with xx from 10 on")
    if creator is not None and not private:
        raise ValueError(f"'{tag}' is not private: it has no creator")
    found = vr_of(last) or vr or ""
    if found not in _SEARCHED:
        raise ValueError(f"'{tag}': values of VR {found or '(unknown)'} cannot be searched" + ("" if found else ": give its vr"))
    standard = STANDARD.find(path)
    if standard is not None and standard.column:
        raise ValueError(f"'{tag}' is searchable already")
    several = private or is_multiple(last)
    return Attribute(keyword_of(path), path, found, QueryLevel[level.upper()], VALUES, "A", several, creator or "")


class TagIndexer:
    """Indexes the tags of the configuration for rows that were stored without them."""

    def __init__(self, repository: Repository, opener: Opener, catalogue: Catalogue) -> None:
        self._repository, self._opener, self._catalogue = repository, opener, catalogue

    def declare(self) -> None:
        """Tells the index which tags there are; those that are new wait to be indexed, those gone are forgotten."""
        self._repository.declare_tags(self._catalogue.extra)

    def step(self, done: Callable[[int], None] = lambda count: None) -> bool:
        """One batch of rows; whether there was anything to do."""
        waiting = self._repository.waiting_tags() if self._catalogue.extra else {}
        for level in QueryLevel:
            found = [a for a in self._catalogue.extra if a.level == level and a.tag in waiting]
            if found:
                after = min(waiting[a.tag] for a in found)
                done(self._batch(level, [a for a in found if waiting[a.tag] == after], after))
                return True
        return False

    def _batch(self, level: QueryLevel, tags: list[Attribute], after: int) -> int:
        rows = self._repository.tag_rows(level, after, BATCH)
        found = [(row, values) for row in rows if (values := self._values(row, tags)) is not None]
        self._repository.index_tags(level, [a.tag for a in tags], found, rows[-1].owner if rows else None)
        return len(rows)

    def _values(self, row: TagRow, tags: list[Attribute]) -> Level | None:
        """What the instance that stands for a row has of the tags; None when its file cannot be read."""
        if row.instance is None:
            return None
        extra: dict[str, bytes] = {}
        values: dict[str, tuple[tuple[int, str], ...]] = {}
        try:
            with self._opener.walked(row.instance) as file:
                for tag in tags:
                    ready, found = apart(file, tag)
                    values |= found
                    extra |= {tag.tag.partition(".")[0]: ready} if ready else {}
        except PacsError as fault:
            _log.warning("instance %s is not indexed: %s", row.instance.identity.instance, fault)
            return None
        return Level(b"", extra, {}, values)
