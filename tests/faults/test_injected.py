"""A fault at every call of storage, repository and database, during every kind of work.

After each: what was acknowledged is there byte for byte, nothing half is visible, and the same work again ends where an
undisturbed run ends.
"""

from collections.abc import Callable
from itertools import cycle

import pytest

from pacs.domain.errors import PacsError
from tests.faults.trip import FAULTS, Trip, database_fault, raising
from tests.faults.work import WORK, Place, below, check_whole, complete, for_work, snapshot

STORAGE = [FAULTS["StorageFault"], FAULTS["StorageFull"], FAULTS["OSError"]]
LAYERS: dict[str, list[Callable[[], BaseException]]] = {
    "storage": STORAGE,
    "repository": [FAULTS["IndexFault"], FAULTS["OSError"]],
    "database": [database_fault],
}


def disturb(place: Place, name: str, layer: str, trip: Trip) -> list[tuple[str, str]]:
    """The work with the trip; what was acknowledged."""
    *before, last = WORK[name]
    services = place.open()
    acknowledged = [one for step in before for one in step(services)]
    services.close()
    services = place.open(**{layer: trip})
    try:
        acknowledged += last(services)
    except (PacsError, OSError) as fault:
        assert "injected" in str(fault) or "disk I/O error" in str(fault)
    finally:
        services.close()
    assert not below(services, "tmp"), "what was being built is removed"
    return acknowledged


def check_after(place: Place, name: str, acknowledged: list[tuple[str, str]], expected: dict[str, object]) -> None:
    """What must hold after a disturbance, and after the same work again."""
    services = place.open()
    try:
        check_whole(services, acknowledged)
        complete(services, name)
        assert snapshot(services) == expected
    finally:
        services.close()


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("name", WORK)
def test_a_fault_at_every_call(
    name: str, layer: str, places: Callable[[], Place], undisturbed: Callable[[str], dict[str, object]]
) -> None:
    counted = Trip()
    disturb(for_work(places(), name), name, layer, counted)
    assert len(counted.names) > 1
    kinds = cycle(LAYERS[layer])
    for at, kind in zip(range(1, len(counted.names) + 1), kinds, strict=False):
        trip = Trip(at, raising(kind))
        place = for_work(places(), name)
        try:
            check_after(place, name, disturb(place, name, layer, trip), undisturbed(name))
        except AssertionError as error:
            error.add_note(f"{kind().__class__.__name__} at step {at}: {trip.names[-3:]}")
            raise
