"""Queries as typed conditions (PS3.4 C.2.2.2, PS3.18 8.3.4 and 10.6): the same for QIDO and C-FIND."""

from dataclasses import dataclass

from pacs.domain.attributes import ATTRIBUTES, BY_NAME, PLACES, STANDARD, VALUES, Attribute, Catalogue, QueryLevel
from pacs.domain.values import fold

__all__ = [
    "ATTRIBUTES", "BY_NAME", "STANDARD", "VALUES", "Attribute", "Catalogue", "Condition", "Query", "QueryLevel", "fold",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Condition:
    """One matching key, its values in the form of the index (:mod:`pacs.domain.values`).

    ``kind``: ``equals`` (values[0]), ``list`` (any of values), ``all`` (each of values, of an attribute with several),
    ``wildcard`` (values[0] with * and ?), ``range`` (values = (low or "", high or ""), inclusive), ``words`` (PN fuzzy:
    each is the beginning of a word), ``empty`` (no value), ``moments`` (a date and its ``time`` as one: values = first
    date, its time, last date, its time, each may be "").
    """

    attribute: Attribute
    kind: str
    values: tuple[str, ...]
    time: Attribute | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for.

    ``study``/``series`` restrict to a parent; ``limit`` rows from ``offset``, after the record named by ``after`` (the key
    of a :class:`~pacs.domain.model.Found`).  ``include``: tags, and paths of tags with dots, wanted beside the default
    answer.  ``keys``: each record says its key.
    """

    level: QueryLevel
    conditions: tuple[Condition, ...] = ()
    study: str | None = None
    series: str | None = None
    limit: int = 5000
    offset: int = 0
    include: frozenset[str] = frozenset()
    include_all: bool = False
    after: bytes = b""
    keys: bool = False

    @property
    def shown(self) -> tuple[QueryLevel, ...]:
        """The levels whose attributes a record has by default: its own and those the URL does not fix (PS3.18 10.6.3.3)."""
        first = 1 if self.study is None else 2 if self.series is None else 3
        return tuple(QueryLevel(n) for n in range(min(first, self.level), self.level + 1))

    def needs(self, level: QueryLevel) -> tuple[bool, bool]:
        """Whether a record takes from what a level answers by default, and from what it answers on request."""
        roots = {path.partition(".")[0] for path in self.include}
        answers = [PLACES.get(tag, {}).get(level, "" if tag in PLACES else "A") for tag in roots]
        shown = level in self.shown
        return shown or bool({"R", "C"} & set(answers)), "A" in answers or (shown and self.include_all)

    def wants(self, tag: str) -> bool:
        """Whether the tag was asked for, by itself or as the sequence of a path."""
        return tag in self.include or any(path.startswith(tag + ".") for path in self.include)
