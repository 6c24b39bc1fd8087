"""Ready answers, kept within a bound of bytes."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import NamedTuple

LARGEST_SHARE = 4


class _Entry(NamedTuple):
    body: bytes
    tag: str


class ByteCache:
    """The answers used last; one too large for a share of the bound is not kept.  Safe among threads.

    Who asks for what another is making waits for it: a document is built once, however many want it.
    """

    def __init__(self, most: int) -> None:
        self._most, self._size = most, 0
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._lock = threading.Lock()
        self._making: dict[Hashable, threading.Lock] = {}

    def get(self, key: Hashable) -> tuple[bytes, str] | None:
        """The body and its tag."""
        with self._lock:
            found = self._entries.get(key)
            if found is not None:
                self._entries.move_to_end(key)
            return found

    def get_or_make(self, key: Hashable, make: Callable[[], tuple[bytes, str]]) -> tuple[bytes, str]:
        """The entry, made when it is not there."""
        found = self.get(key)
        if found is not None:
            return found
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        with making:
            try:
                return self.get(key) or self._put(key, make())
            finally:
                with self._lock:
                    self._making.pop(key, None)

    def _put(self, key: Hashable, made: tuple[bytes, str]) -> tuple[bytes, str]:
        entry = _Entry(*made)
        if len(entry.body) * LARGEST_SHARE > self._most:
            return entry
        with self._lock:
            old = self._entries.pop(key, None)
            self._entries[key] = entry
            self._size += len(entry.body) - (len(old.body) if old else 0)
            while self._size > self._most:
                _, gone = self._entries.popitem(last=False)
                self._size -= len(gone.body)
        return entry
