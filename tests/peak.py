"""Run in a process of its own by test_memory: stores files by one door, reads them back, prints the peak of its memory."""

import sys
from collections.abc import Iterable

from pacs.bootstrap import Services, assemble
from pacs.cli.sources import Source, read
from pacs.config import load
from pacs.domain.errors import Refused
from pacs.domain.model import Identity, Outcome
from pacs.services.retrieve import Target


def peak() -> int:
    """Bytes: the largest resident set of this process so far, mapped file pages included (VmHWM)."""
    with open("/proc/self/status") as status:
        [line] = [line for line in status if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def received(services: Services, path: str) -> Outcome:
    """As STOW stores."""
    part = services.store.begin()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            part.write(piece)
    [outcome] = services.store.received([part], "stow")
    while services.settler.settle():
        pass
    return outcome


def created(services: Services, path: str) -> Outcome:
    """As the command's workers store."""
    try:
        [found] = services.store.prepare([read(Source(path), services.settings.static_wado.max_inflated_bytes)])
    except Refused as refusal:
        found = str(refusal)
    if isinstance(found, str):
        return Outcome("refused", None, found)
    return services.store.commit([found], "create")[0]


def read_back(services: Services, identity: Identity) -> None:
    """The file, its metadata, its first and last frame."""
    row = services.repository.instance(identity)
    assert row is not None
    assert sum(len(piece) for piece in services.retrieve.file(row)) == row.size
    services.retrieve.metadata(Target(*identity))
    place = services.retrieve.frame_place(identity)
    for number in {1, row.frames.count} if row.frames.count else ():
        services.retrieve.frame(place, number)


def main(door: str, root: str, paths: Iterable[str]) -> None:
    services = assemble(load(None, {"staticWadoConfig.rootDir": root}))
    stored = 0
    for path in paths:
        outcome = {"received": received, "created": created}[door](services, path)
        if outcome.status in ("stored", "replaced", "unchanged"):
            assert outcome.identity is not None
            read_back(services, outcome.identity)
            stored += 1
    services.close()
    print(stored, peak())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.stdin.read().splitlines())
