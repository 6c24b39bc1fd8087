"""Pauses for what fails again and again, so that it holds up nothing else and fills no log."""

import time
from collections.abc import Callable, Hashable, Iterable

FIRST, LONGEST = 1.0, 300.0


class Rests:
    """Things that failed and are left alone for a while: longer after each failure, from 1 s to 5 minutes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: dict[Hashable, tuple[float, float]] = {}

    def failed(self, thing: Hashable) -> float:
        """Leaves it alone from now on; for how many seconds."""
        pause = min(self._until.get(thing, (0.0, FIRST / 2))[1] * 2, LONGEST)
        self._until[thing] = (self._clock() + pause, pause)
        return pause

    def resting(self, thing: Hashable) -> bool:
        """Whether it is to be left alone still."""
        found = self._until.get(thing)
        return found is not None and self._clock() < found[0]

    def forget(self, thing: Hashable) -> None:
        """It worked, or is gone."""
        self._until.pop(thing, None)

    def only(self, things: Iterable[Hashable]) -> None:
        """Forgets all others."""
        kept = set(things)
        self._until = {thing: rest for thing, rest in self._until.items() if thing in kept}

    def __len__(self) -> int:
        return len(self._until)
