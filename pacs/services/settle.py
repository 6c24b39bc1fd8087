"""Converts what was received: from the file in ``incoming/`` to the instance's folder.

Changes only the row's location and frame table, by compare-and-set; a crash at any step leaves the received file, and
whoever comes next does it again.
"""

import logging
from collections.abc import Sequence
from contextlib import ExitStack

from pacs.dicom.reader import Limits, read
from pacs.domain import layout
from pacs.domain.errors import NotFound, Refused, StorageFault, StorageFull
from pacs.domain.model import Instance, Move
from pacs.domain.ports import Repository, Storage
from pacs.services.rest import Rests
from pacs.services.shelve import Item, Shelf

BATCH = 16
_log = logging.getLogger(__name__)


class Settler:
    """Settles received instances in batches."""

    def __init__(self, storage: Storage, repository: Repository, shelf: Shelf, limits: Limits) -> None:
        self._storage, self._repository, self._shelf, self._limits = storage, repository, shelf, limits
        self._rests = Rests()

    def settle(self) -> int:
        """Settles one batch; the number of instances taken up, 0 when none wait."""
        most = BATCH + len(self._rests)
        found = self._repository.received(most)
        if len(found) < most:
            self._rests.only(one.row for one in found)
        waiting = [one for one in found if not self._rests.resting(one.row)][:BATCH]
        if waiting:
            self._take(waiting)
        return len(waiting)

    def _take(self, waiting: Sequence[Instance]) -> None:
        """Together, or each alone where that fails; one that fails alone is left where it lies for a while."""
        try:
            self._settle(waiting)
        except StorageFull:
            raise
        except (NotFound, Refused, StorageFault) as fault:
            if len(waiting) > 1:
                for one in waiting:
                    self._take([one])
                return
            [one] = waiting
            _log.warning("instance %s stays as it was received, in %s: %s", one.identity.instance, one.location, fault)
            self._rests.failed(one.row)

    def _settle(self, waiting: Sequence[Instance]) -> None:
        with ExitStack() as stack:
            items: list[tuple[Instance, Item]] = []
            for one in waiting:
                try:
                    whole = stack.enter_context(self._storage.view(one.location))
                except NotFound:
                    continue  # another process settled it meanwhile, or it is lost
                file = read(whole, self._limits)
                items.append((one, Item.of(one, file, whole)))
            places = self._shelf.put([item for _, item in items]) if items else []
            self._repository.relocate(
                [Move(one.row, one.location, new.location, new.frames) for (one, _), new in zip(items, places, strict=True)]
            )
            done = [one.location for one, _ in items]
            taken = {one.row for one, _ in items}
            items.clear()
        for location in done:
            if layout.is_incoming(location):
                self._storage.delete(location)
        for one in waiting:
            (self._rests.forget if one.row in taken else self._rests.failed)(one.row)
