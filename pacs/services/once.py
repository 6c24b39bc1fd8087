"""Values that are dear to make: made once for all who wait, the last ones kept."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

Value = TypeVar("Value")
LARGEST_SHARE = 4
"""A value over this part of the bound is not kept: it must not drive out all others."""


class Once(Generic[Value]):
    """A cache of at most ``most`` bytes, which ``size`` counts in a value.

    Safe for threads; a failure is told to all who wait and not kept.
    """

    def __init__(self, most: int, size: Callable[[Value], int]) -> None:
        self._most, self._size, self._held = most, size, 0
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, Value] = OrderedDict()
        self._making: dict[Hashable, Future[Value]] = {}

    def peek(self, key: Hashable) -> Value | None:
        """The value when it is at hand."""
        with self._lock:
            return self._find(key)

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value under ``key``; ``make`` runs in the first thread that asks, the others wait for it."""
        with self._lock:
            kept = self._find(key)
            if kept is not None:
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

    def _find(self, key: Hashable) -> Value | None:
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
        return kept

    def _keep(self, key: Hashable, value: Value) -> None:
        if self._size(value) > self._most // LARGEST_SHARE:
            return
        self._kept[key] = value
        self._held += self._size(value)
        while self._held > self._most:
            _, gone = self._kept.popitem(last=False)
            self._held -= self._size(gone)
