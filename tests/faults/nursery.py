"""A process that forks a child for each case it is told, warm from the start: ``python -m tests.faults.nursery``.

Reads JSON lines ``{folder, memory, name, at, acknowledged}``; answers each with a line: the number of steps when the child
did all its work, else 0 when it was killed, -1 when it failed.
"""

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import pacs.storage.disk
import pacs.storage.durable
from tests.faults.trip import Trip, WiredOs, kill
from tests.faults.work import BATCH, WORK, Place, create, publish, receive, settle

DOORS = {receive, create}


def work(case: dict[str, Any]) -> int:
    """The work of a name, small batch by small batch; each acknowledgement is written down as it comes."""
    place = Place(Path(case["folder"]), case["memory"])
    trip = Trip(case["at"], kill)
    services = place.open(database=trip)
    wired: Any = WiredOs(trip)
    setattr(pacs.storage.disk, "os", wired)  # noqa: B010
    setattr(pacs.storage.durable, "os", wired)  # noqa: B010
    acknowledged = os.open(case["acknowledged"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    steps = [settle, publish] if case["name"] == "after" else list(WORK[case["name"]])
    for step in steps:
        for files in (BATCH[:2], BATCH[2:]) if step in DOORS else (None,):
            done = step(services, files) if files else step(services)  # type: ignore[call-arg]
            os.write(acknowledged, (json.dumps(done) + "\n").encode())
    return len(trip.names)


def main() -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                count = work(json.loads(line))
                os.write(1, f"{count}\n".encode())
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status:
            os.write(1, b"0\n" if status == -9 else b"-1\n")


if __name__ == "__main__":
    main()
