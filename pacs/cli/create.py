"""``mkdicomweb create``: files into the archive, by several processes, committed in path order."""

import json
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from typing import TYPE_CHECKING, TextIO

from pacs.cli.sources import Source, find, read
from pacs.domain.errors import PacsError, Refused
from pacs.domain.model import Incoming
from pacs.domain.ports import Buffer

if TYPE_CHECKING:
    from pacs.bootstrap import Services
    from pacs.config import Settings
    from pacs.services.store import Store

BATCH = 32
BATCH_BYTES = 64 << 20
_worker: "Store | None" = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """One file after conversion: ready to commit, or why not."""

    source: Source
    found: Incoming | None
    status: str
    reason: str
    seconds: float


def start_worker(settings: "Settings") -> None:
    """Makes a worker's own store; it converts and never commits."""
    global _worker
    import signal

    from pacs.bootstrap import make_shelf, rules_of
    from pacs.process import tune
    from pacs.services.store import Store
    from pacs.storage.disk import DiskStorage

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tune()
    storage = DiskStorage(settings.root)
    _worker = Store(storage, None, make_shelf(settings, storage), rules_of(settings))  # type: ignore[arg-type]


def prepare(sources: list[Source], most: int) -> list[Prepared]:
    """Reads, checks and converts a batch.  A fault in one file costs that file."""
    assert _worker is not None
    started = time.perf_counter()
    data: list[Buffer | PacsError] = []
    for source in sources:
        try:
            data.append(read(source, most))
        except PacsError as fault:
            data.append(fault)
    files = [one for one in data if not isinstance(one, PacsError)]
    try:
        found = iter(_worker.prepare(files))
    except (PacsError, MemoryError) as fault:
        if len(sources) > 1:
            return [one for source in sources for one in prepare([source], most)]
        return [Prepared(sources[0], None, "failed", str(fault) or "out of memory", time.perf_counter() - started)]
    each = (time.perf_counter() - started) / len(sources)
    return [_prepared(source, one if isinstance(one, PacsError) else next(found), each)
            for source, one in zip(sources, data, strict=True)]  # fmt: skip


def _prepared(source: Source, one: Incoming | PacsError | str, seconds: float) -> Prepared:
    if isinstance(one, PacsError) and not isinstance(one, Refused):
        return Prepared(source, None, "failed", str(one), seconds)
    if isinstance(one, str | PacsError):
        return Prepared(source, None, "refused", str(one), seconds)
    return Prepared(source, one, "", "", seconds)


def batches(sources: Iterator[Source]) -> Iterator[list[Source]]:
    """Up to 32 files or 64 MB a batch."""
    batch: list[Source] = []
    size = 0
    for source in sources:
        batch.append(source)
        size += os.path.getsize(source.path) if os.path.exists(source.path) else 0
        if len(batch) >= BATCH or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


class Report:
    """Counts, the report file, and a line for each file that was not stored."""

    def __init__(self, file: TextIO | None, say: Callable[[str], None]) -> None:
        self.counts: Counter[str] = Counter()
        self.studies: dict[str, None] = {}
        self._file, self._say = file, say

    def add(self, one: Prepared, status: str, reason: str) -> None:
        self.counts[status] += 1
        ids = one.found.identity if one.found else ("", "", "")
        if self._file is not None:
            row = {"path": one.source.name, "status": status, "reason": reason, "StudyInstanceUID": ids[0],
                   "SeriesInstanceUID": ids[1], "SOPInstanceUID": ids[2], "seconds": round(one.seconds, 6)}  # fmt: skip
            self._file.write(json.dumps(row, ensure_ascii=False) + "\n")
        if status in ("refused", "failed", "quarantined"):
            self._say(f"{status}: {one.source.name}: {reason}")
        elif one.found is not None:
            self.studies[one.found.identity.study] = None

    @property
    def exit_code(self) -> int:
        if self.counts["failed"]:
            return 1
        return 3 if self.counts["refused"] or self.counts["quarantined"] else 0


def create(services: "Services", paths: list[str], processes: int, report: Report, advance: Callable[[int], None]) -> None:
    """Stores every file below the paths and publishes their studies."""
    settings = services.settings
    most = settings.static_wado.max_inflated_bytes
    todo = batches(find(paths))
    with ProcessPoolExecutor(processes, get_context("spawn"), start_worker, (settings,)) as pool:
        running: deque[Future[list[Prepared]]] = deque(
            pool.submit(prepare, batch, most) for batch in islice(todo, processes * 2)
        )
        while running:
            done = running.popleft().result()
            for batch in islice(todo, 1):
                running.append(pool.submit(prepare, batch, most))
            commit(services, done, report)
            advance(len(done))
    for study in report.studies:
        services.publisher.seal_study(study)


def commit(services: "Services", done: list[Prepared], report: Report) -> None:
    """One transaction for what a worker converted; success is said only after it."""
    ready = [one.found for one in done if one.found is not None]
    try:
        outcomes = iter(services.store.commit(ready, "create") if ready else [])
    except PacsError as fault:
        for one in done:
            report.add(one, "failed" if one.found else one.status, str(fault) if one.found else one.reason)
        return
    for one in done:
        if one.found is None:
            report.add(one, one.status, one.reason)
        else:
            outcome = next(outcomes)
            report.add(one, outcome.status, outcome.reason)
