"""A study, series or instance as a zip archive of Part 10 files with a DICOMDIR (PS3.18 8.7.3.2, PS3.12 Annex V)."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import orjson

from pacs.convert import dicomdir, zips
from pacs.domain.attributes import QueryLevel
from pacs.domain.model import Identity, Instance
from pacs.domain.ports import Buffer
from pacs.domain.query import Query
from pacs.services.retrieve import Target
from pacs.services.search import Search

Members = dict[str, Any]
OpenFile = Callable[[Instance], Iterable[Buffer]]

_PATIENT = {0x00100010: "PN", 0x00100020: "LO"}
_STUDY = {0x00080020: "DA", 0x00080030: "TM", 0x00080050: "SH", 0x00081030: "LO", 0x0020000D: "UI", 0x00200010: "SH"}
_SERIES = {0x00080060: "CS", 0x0020000E: "UI", 0x00200011: "IS"}
_INSTANCE = {0x00200013: "IS"}
_SERIES_UID, _INSTANCE_UID = "0020000E", "00080018"
_MOST = 10_000_000
_LONGEST = 1024


class Known(NamedTuple):
    """DICOM JSON of a study, its series and its instances."""

    study: Members
    series: dict[str, Members]
    instances: dict[str, Members]

    def of(self, identity: Identity) -> Members:
        """All that is known of an instance."""
        return {**self.study, **self.series.get(identity.series, {}), **self.instances.get(identity.instance, {})}


class Archiver:
    """Makes archives as they are sent."""

    def __init__(self, search: Search) -> None:
        self._search = search

    def stream(
        self, target: Target, instances: Sequence[Instance], syntax_of: Callable[[Instance], str], open_file: OpenFile
    ) -> Iterator[bytes]:
        """The archive.  ``open_file`` gives the Part 10 bytes of an instance in ``syntax_of`` it."""
        yield from zips.stream(self._members(target, instances, syntax_of, open_file))

    def _members(
        self, target: Target, instances: Sequence[Instance], syntax_of: Callable[[Instance], str], open_file: OpenFile
    ) -> Iterator[zips.Member]:
        numbers: dict[str, int] = {}
        files = []
        known = self._known(target)
        for number, one in enumerate(instances, 1):
            series = numbers.setdefault(one.identity.series, len(numbers) + 1)
            name = ("DICOM", f"S{series:07d}", f"I{number:07d}")
            syntax = syntax_of(one)
            size = one.size if syntax == one.transfer_syntax else None
            yield zips.Member("/".join(name), open_file(one), size)
            files.append(_file(name, one, syntax, known.of(one.identity)))
        set_uid = f"2.25.{int.from_bytes(instances[0].digest.encode()[:15], 'big')}"
        body = dicomdir.make(dicomdir.records(files), set_uid)
        yield zips.Member("DICOMDIR", (body,), len(body))

    def _known(self, target: Target) -> Known:
        """What the index tells of the study, by series UID and by instance UID, as DICOM JSON."""
        records = [
            self._search.run(Query(level, study=target.study, limit=_MOST)).records
            for level in (QueryLevel.STUDY, QueryLevel.SERIES, QueryLevel.INSTANCE)
        ]
        study, series, instances = ([orjson.loads(one) for one in level] for level in records)
        return Known(study[0] if study else {}, _by(series, _SERIES_UID), _by(instances, _INSTANCE_UID))


def _by(records: list[Members], tag: str) -> dict[str, Members]:
    return {one[tag]["Value"][0]: one for one in records}


def _file(name: tuple[str, ...], one: Instance, syntax: str, members: Members) -> dicomdir.File:
    study, series, instance = one.identity
    return dicomdir.File(
        name, _keys(members, _PATIENT), {**_keys(members, _STUDY), 0x0020000D: ("UI", study)},
        {**_keys(members, _SERIES), 0x0020000E: ("UI", series)}, _keys(members, _INSTANCE),
        one.sop_class, instance, syntax,
    )  # fmt: skip


def _keys(members: Members, wanted: dict[int, str]) -> dict[int, tuple[str, str]]:
    return {tag: (vr, _text(members.get(f"{tag:08X}", {}))) for tag, vr in wanted.items()}


def _text(member: dict[str, Any]) -> str:
    """The values of a member as DICOM writes them."""
    values = []
    for value in member.get("Value", []):
        if isinstance(value, dict):
            groups = (value.get(name, "") for name in ("Alphabetic", "Ideographic", "Phonetic"))
            value = "=".join(groups).rstrip("=")
        values.append("" if value is None else str(value))
    return "\\".join(values)[:_LONGEST]
