"""Converts what was received: from the file in ``incoming/`` to the instance's folder.

Changes only the row's location and frame table, by compare-and-set; a crash at any step leaves the received file, and
whoever comes next does it again.
"""

from collections.abc import Sequence
from contextlib import ExitStack

from pacs.dicom.reader import Limits, read
from pacs.domain import layout
from pacs.domain.errors import NotFound
from pacs.domain.model import Instance, Move
from pacs.domain.ports import Repository, Storage
from pacs.services.shelve import Item, Shelf

BATCH = 16


class Settler:
    """Settles received instances in batches."""

    def __init__(self, storage: Storage, repository: Repository, shelf: Shelf, limits: Limits) -> None:
        self._storage, self._repository, self._shelf, self._limits = storage, repository, shelf, limits

    def settle(self) -> int:
        """Settles one batch; the number of instances taken up, 0 when none wait."""
        waiting = self._repository.received(BATCH)
        if waiting:
            self._settle(waiting)
        return len(waiting)

    def _settle(self, waiting: Sequence[Instance]) -> None:
        with ExitStack() as stack:
            items: list[tuple[Instance, Item]] = []
            for one in waiting:
                try:
                    whole = stack.enter_context(self._storage.view(one.location))
                except NotFound:
                    continue  # another process settled it meanwhile
                file = read(whole, self._limits)
                items.append((one, Item.of(one, file, whole)))
            places = self._shelf.put([item for _, item in items]) if items else []
            self._repository.relocate(
                [Move(one.row, one.location, new.location, new.frames) for (one, _), new in zip(items, places, strict=True)]
            )
            done = [one.location for one, _ in items]
            items.clear()
        for location in done:
            if layout.is_incoming(location):
                self._storage.delete(location)
