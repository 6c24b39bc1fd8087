"""What a fault leaves behind is published later, and a record of a failed commit never becomes history."""

import gzip
import json
from collections.abc import Callable

from pacs.domain import layout
from pacs.domain.errors import StorageFault
from pacs.services.rest import FIRST, LONGEST, Rests
from tests.faults.work import BATCH, Place, fail_at, for_work, publish, receive

LATER = -1000.0
"""A quiet time that is always over."""


def test_the_record_of_a_failed_commit_is_no_history(places: Callable[[], Place]) -> None:
    place = for_work(places(), "land")
    fail_at(place, "COMMIT", BATCH[4:5])
    services = place.open()
    assert list(services.storage.list("studies/1.2/log/")), "the record is written before COMMIT"
    receive(services, BATCH[:1])  # takes the sequence that the failed commit had
    receive(services, BATCH[5:6])
    publish(services)
    records = gzip.decompress(services.storage.get(layout.version("1.2", 1))).splitlines()
    assert [one["instance"] for record in records for one in json.loads(record)["instances"]] == ["1.2.1.2"]
    assert not list(services.storage.list("studies/1.2/log/"))
    services.close()


def test_a_sealed_version_without_documents_is_published_later(places: Callable[[], Place]) -> None:
    place = for_work(places(), "land")
    services = place.open()
    receive(services)
    key = layout.study_index("1.2")
    services.repository.seal("1.2", lambda *_: None)  # as a process that died just after it
    services.close()
    services = place.open()
    assert not services.storage.exists(key)
    assert "1.2" in services.publisher.seal(LATER)
    assert services.storage.exists(key)
    assert services.publisher.seal(LATER) == []
    services.close()


def test_a_study_that_cannot_be_published_holds_up_no_other(places: Callable[[], Place]) -> None:
    place = for_work(places(), "land")
    services = place.open()
    receive(services)
    put = services.storage.put

    def refuse(key: str, data: bytes) -> None:
        if key.startswith("studies/1.1/"):
            raise StorageFault("injected")
        put(key, data)

    services.storage.put = refuse  # type: ignore[method-assign,assignment]
    assert services.publisher.seal(LATER) == ["1.2"]
    assert services.publisher.seal(LATER) == [], "the other rests"
    services.close()


def test_rests_grow_to_their_limit_and_are_forgotten() -> None:
    now = 0.0
    rests = Rests(lambda: now)
    assert rests.failed("a") == FIRST
    assert rests.resting("a") and not rests.resting("b")
    now = FIRST
    assert not rests.resting("a")
    assert rests.failed("a") == 2 * FIRST
    assert [rests.failed("a") for _ in range(20)][-1] == LONGEST
    rests.forget("a")
    assert not rests.resting("a") and not len(rests)
