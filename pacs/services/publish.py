"""Publishing: the documents of a study, projected from its committed rows.

A document says what it shows; one that shows something else than the rows is never served.  It is built outside the
lock and swapped in under the study's row lock only if newer.  Lines of the previous document are used again, unparsed.
"""

import logging
import time
from collections.abc import Callable

from pacs.convert.documents import join_lines, pack_document, shown_by, split_lines, state_of, unpack_document
from pacs.convert.records import Recorder
from pacs.domain import layout
from pacs.domain.errors import NotFound, PacsError
from pacs.domain.model import Instance, Shown
from pacs.domain.ports import Repository, Storage
from pacs.domain.query import Query, QueryLevel
from pacs.services.open import Opener
from pacs.services.rest import Rests

MOST = 1_000_000
ABANDONED = 60.0
"""Seconds after which a version that nobody published counts as left behind by a process that died."""
_log = logging.getLogger(__name__)


class Publisher:
    """Builds and swaps in documents; seals versions.  ``draw`` publishes the pictures of a study."""

    def __init__(self, storage: Storage, repository: Repository, opener: Opener, draw: Callable[[str], None]) -> None:
        self._storage, self._repository, self._opener, self._draw = storage, repository, opener, draw
        self._rests = Rests()

    def series_metadata(self, study: str, series: str) -> tuple[bytes, Shown]:
        """The series' metadata document as the rows say it must be, built when the stored one shows another state."""
        key = layout.series_metadata(study, series)
        while True:
            shown = self._repository.shown(study, series)
            if shown is None:
                raise NotFound(f"series {series} of study {study}")
            old = self._stored(key)
            if old is not None and _state(old) == shown.state:
                return old, shown
            rows = self._repository.instances(study, series)
            if state_of(rows) == shown.state:
                data = pack_document(join_lines(self._lines(study, series, rows, old)), shown)
                self._swap(study, key, data, shown, series)
                return data, shown

    def _lines(self, study: str, series: str, rows: list[Instance], old: bytes | None) -> list[bytes]:
        """Of the previous document, of what was kept when an instance came, else out of the instance."""
        known = self._known(study, series, old)
        if any(row.row not in known for row in rows):
            known |= self._repository.waiting_lines(study, series)
        return [known.get(row.row) or self._opener.line(row) for row in rows]

    def _known(self, study: str, series: str, old: bytes | None) -> dict[int, bytes]:
        """Row -> line of the previous document, when the rows it shows can be told."""
        shown = shown_by(old) if old else None
        if old is None or shown is None:
            return {}
        before = self._repository.instances(study, series, at=shown.sequence)
        lines = split_lines(unpack_document(old))
        if len(lines) != len(before) or state_of(before) != shown.state:
            return {}
        return {row.row: line for row, line in zip(before, lines, strict=True)}

    def study(self, study: str) -> None:
        """All documents of a study: metadata of its series, and the QIDO records at three levels."""
        for series in self._repository.series_of(study):
            self.series_metadata(study, series)
            self._records(Query(QueryLevel.INSTANCE, study=study, series=series, limit=MOST),
                          layout.instance_index(study, series))  # fmt: skip
        self._records(Query(QueryLevel.SERIES, study=study, limit=MOST), layout.series_index(study))
        self._records(Query(QueryLevel.STUDY, study=study, limit=1), layout.study_index(study))

    def _records(self, query: Query, key: str) -> None:
        shown = self._repository.shown(query.study or "", query.series)
        if shown is None:
            return
        old = self._stored(key)
        if old is not None and _state(old) == shown.state:
            return
        body = join_lines(map(Recorder(query, None).record, self._repository.search(query).rows))
        if self._repository.shown(query.study or "", query.series) == shown:
            self._swap(query.study or "", key, pack_document(body, shown), shown)

    def _stored(self, key: str) -> bytes | None:
        try:
            return self._storage.get(key)
        except NotFound:
            return None

    def _swap(self, study: str, key: str, data: bytes, shown: Shown, series: str | None = None) -> None:
        def put() -> None:
            now = self._stored(key)
            there = shown_by(now) if now else None
            if there is None or there.sequence <= shown.sequence:
                self._storage.put(key, data)

        self._repository.swap(study, put, (series, shown.sequence) if series is not None else None)

    def seal(self, quiet: float) -> list[str]:
        """Seals and publishes every study without commits for ``quiet`` seconds, and what was left unpublished; the
        studies.  One that cannot be published holds up no other, and is tried again after a while."""
        now = time.time()
        waiting = self._repository.unsealed(now - quiet) + self._repository.unpublished(now - quiet - ABANDONED)
        done = []
        for study in dict.fromkeys(waiting):
            if self._rests.resting(study):
                continue
            try:
                self.seal_study(study)
            except PacsError as fault:
                _log.warning("study %s is not published: %s", study, fault)
                self._rests.failed(study)
            else:
                self._rests.forget(study)
                done.append(study)
        return done

    def seal_study(self, study: str) -> None:
        """A version of this study, when something changed, and its documents and pictures."""
        self._repository.seal(study, lambda version, sequences: self._fold(study, version, sequences))
        standing = self._repository.standing(study)
        if standing is None:
            return
        self._clear(study, standing.sealed)
        self.study(study)
        self._draw(study)
        if standing.published < standing.version:
            self._repository.publish(study, standing.version)

    def _fold(self, study: str, version: int, sequences: list[int]) -> None:
        """What the version added: its log records in one file, a record a line.

        Only those the index names: a record may lie there whose transaction failed.
        """
        records = (self._stored(layout.log(study, sequence)) for sequence in sequences)
        self._storage.put(layout.version(study, version), b"".join(record for record in records if record))

    def _clear(self, study: str, sealed: int) -> None:
        """Removes the records up to the last sealed change: they are folded, or of transactions that failed."""
        for key in list(self._storage.list(layout.logs(study))):
            sequence = layout.sequence_of(key)
            if sequence is not None and sequence <= sealed:
                self._storage.delete(key)


def _state(document: bytes) -> str | None:
    shown = shown_by(document)
    return shown.state if shown else None
