"""Sweeping: removes what a crash or a fault left in ``tmp/`` and ``incoming/``.

Safe beside writers: only what is old is looked at; what was being built is moved away whole before it is removed, so that
its writer, should it live, fails and says so; a received file goes only while no store can commit, and only when neither a
row nor a log record names it (a lost index is made again from both).
"""

import gzip
import json
import time
import zlib

from pacs.convert.describe import identity_of
from pacs.dicom.reader import Limits, read
from pacs.domain import layout
from pacs.domain.errors import NotFound, Refused
from pacs.domain.ports import Repository, Storage

EVERY = 3600.0
"""Seconds between two sweeps of one process."""
BATCH = 500


class Sweeper:
    """Removes what was left for more than ``age`` seconds; with 0 nothing ever."""

    def __init__(self, storage: Storage, repository: Repository, limits: Limits, age: float) -> None:
        self._storage, self._repository, self._limits, self._age = storage, repository, limits, age
        self._next = 0.0

    def due(self) -> bool:
        """Whether it is time: at the start, and rarely after it."""
        return self._age > 0 and time.monotonic() >= self._next

    def sweep(self) -> int:
        """Sweeps once; the number of things removed.  Raises StorageFault, IndexFault."""
        self._next = time.monotonic() + EVERY
        before = time.time() - self._age
        removed = self._storage.clean(before)
        old = list(self._storage.older(layout.INCOMING, before))
        for start in range(0, len(old), BATCH):
            removed += self._received(old[start : start + BATCH])
        return removed

    def _received(self, keys: list[str]) -> int:
        """Of old received files, those that nothing names."""
        named = self._repository.named(keys)
        lost = [key for key in keys if key not in named and not self._logged(key)]
        done: list[str] = []

        def remove(unnamed: list[str]) -> None:
            for key in unnamed:
                self._storage.delete(key)
                done.append(key)

        if lost:
            self._repository.unname(lost, remove)
        return len(done)

    def _logged(self, key: str) -> bool:
        """Whether a log record names the file: it was, or nearly was, acknowledged."""
        try:
            with self._storage.view(key) as received:
                study = identity_of(read(received, self._limits))[0].study
        except (Refused, NotFound):
            return False
        folders = (layout.logs(study), layout.versions(study))
        return any(self._names(record, key) for folder in folders for record in self._storage.list(folder))

    def _names(self, record: str, key: str) -> bool:
        """A record that cannot be read may name it."""
        try:
            lines = gzip.decompress(self._storage.get(record)).splitlines()
            return any(one.get("location") == key for line in lines for one in json.loads(line)["instances"])
        except NotFound:
            return False
        except (OSError, EOFError, zlib.error, ValueError, KeyError):
            return True
