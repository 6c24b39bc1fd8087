"""Values that are dear to make: made once for all who wait, the last ones kept."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future


class Once:
    """A cache of bytes with at most ``most`` bytes in it.  Safe for threads; a failure is told to all and not kept."""

    def __init__(self, most: int) -> None:
        self._most, self._held = most, 0
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, bytes] = OrderedDict()
        self._making: dict[Hashable, Future[bytes]] = {}

    def get(self, key: Hashable, make: Callable[[], bytes]) -> bytes:
        """The value under ``key``; ``make`` runs in the first thread that asks, the others wait for it."""
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None:
                self._kept.move_to_end(key)
                return kept
            future = self._making.get(key)
            mine = future is None
            if future is None:
                future = self._making[key] = Future()
        if not mine:
            return future.result()
        try:
            value = make()
        except BaseException as error:
            with self._lock:
                del self._making[key]
            future.set_exception(error)
            raise
        with self._lock:
            del self._making[key]
            self._keep(key, value)
        future.set_result(value)
        return value

    def _keep(self, key: Hashable, value: bytes) -> None:
        if len(value) > self._most // 4:  # one large value must not drive out all others
            return
        self._kept[key] = value
        self._held += len(value)
        while self._held > self._most:
            _, gone = self._kept.popitem(last=False)
            self._held -= len(gone)
