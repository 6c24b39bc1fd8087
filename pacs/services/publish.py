"""Publishing: the documents of a study, projected from its committed rows.

A document says what it shows; one that shows something else than the rows is never served.  It is built outside the
lock and swapped in under the study's row lock only if newer.  Lines of the previous document are used again, unparsed.
"""

import time

from pacs.convert.documents import join_lines, pack_document, shown_by, split_lines, state_of, unpack_document
from pacs.convert.records import Recorder
from pacs.domain import layout
from pacs.domain.errors import NotFound
from pacs.domain.model import Instance, Shown
from pacs.domain.ports import Repository, Storage
from pacs.domain.query import Query, QueryLevel
from pacs.services.open import Opener

MOST = 1_000_000


class Publisher:
    """Builds and swaps in documents; seals versions."""

    def __init__(self, storage: Storage, repository: Repository, opener: Opener) -> None:
        self._storage, self._repository, self._opener = storage, repository, opener

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
        """Seals a version of every study without commits for ``quiet`` seconds and publishes it; the studies."""
        done = []
        for study in self._repository.unsealed(time.time() - quiet):
            self.seal_study(study)
            done.append(study)
        return done

    def seal_study(self, study: str) -> None:
        """A version of this study, when something changed, and its documents."""
        folded: list[str] = []
        self._repository.seal(study, lambda version, _: folded.extend(self._manifest(study, version)))
        for key in folded:
            self._storage.delete(key)
        self.study(study)

    def _manifest(self, study: str, version: int) -> list[str]:
        """What the version added: its log records, folded into one file, a record a line; the keys folded."""
        keys = list(self._storage.list(f"{layout.study(study)}/log/"))
        self._storage.put(layout.version(study, version), b"".join(map(self._storage.get, keys)))
        return keys


def _state(document: bytes) -> str | None:
    shown = shown_by(document)
    return shown.state if shown else None
