"""Processes that are started again when they die."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any, Self

FIRST, LONGEST, HEALTHY = 0.5, 30.0, 60.0
"""Seconds of the pause before the first and the longest restart, and of the life after which pauses start anew."""
_LEAVE = 15.0


@dataclass(slots=True)
class Job:
    """What one process does; ``target`` and ``arguments`` as multiprocessing takes them."""

    name: str
    target: Callable[..., None]
    arguments: tuple[Any, ...]
    process: BaseProcess | None = field(default=None, init=False)
    started: float = field(default=0.0, init=False)
    pause: float = field(default=FIRST, init=False)
    due: float = field(default=0.0, init=False)

    def start(self) -> None:
        self.process = multiprocessing.get_context("spawn").Process(target=self.target, args=self.arguments, name=self.name)
        self.started = time.monotonic()
        self.process.start()

    def ended(self, say: Callable[[str], None]) -> None:
        """Notes the death and when to start again: after a pause that doubles unless the process lived over a minute."""
        assert self.process is not None
        code, now = self.process.exitcode, time.monotonic()
        if now - self.started > HEALTHY:
            self.pause = FIRST
        if code:  # with 0 it was asked to leave, as all are at the end: no news until it is started again
            say(f"{self.name} ended ({_reason(code)}); starting it again in {self.pause:g} s")
        self.process.close()
        self.process, self.due = None, now + self.pause
        self.pause = min(self.pause * 2, LONGEST)


class Crew:
    """Keeps its jobs running inside a ``with``; a thread watches them."""

    def __init__(self, jobs: Sequence[Job], say: Callable[[str], None] | None = None) -> None:
        self._jobs, self._say = jobs, say or _to_log
        self._waker, self._wake = multiprocessing.Pipe(duplex=False)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="crew", daemon=True)

    def __enter__(self) -> Self:
        for job in self._jobs:
            job.start()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends all of them, by force when they do not leave."""
        self._stopping.set()
        self._wake.send_bytes(b"x")
        self._thread.join()
        running = [job.process for job in self._jobs if job.process is not None]
        for process in running:
            process.terminate()
        until = time.monotonic() + _LEAVE
        for process in running:
            process.join(max(0.0, until - time.monotonic()))
            if process.is_alive():
                process.kill()
                process.join()

    def _watch(self) -> None:
        while not self._stopping.is_set():
            running = [job for job in self._jobs if job.process is not None]
            waiting = [job for job in self._jobs if job.process is None]
            pause = min((job.due - time.monotonic() for job in waiting), default=None)
            wait([self._waker, *(job.process.sentinel for job in running if job.process)], pause and max(pause, 0.0))
            for job in running:
                if job.process is not None and not job.process.is_alive() and not self._stopping.is_set():
                    job.ended(self._say)
            for job in waiting:
                if job.due <= time.monotonic() and not self._stopping.is_set():
                    self._restart(job)

    def _restart(self, job: Job) -> None:
        try:
            job.start()
        except OSError as error:
            self._say(f"{job.name} cannot be started: {error}")
            job.process, job.due = None, time.monotonic() + job.pause


def stop_without(parent: int) -> None:
    """Ends this process, in order, once the process that started it is gone."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def leave_in_order() -> None:
    """SIGTERM unwinds this process as ``sys.exit`` does.  Call in its main thread."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))


def _reason(code: int | None) -> str:
    if code is not None and code < 0:
        try:
            return f"by {signal.Signals(-code).name}"
        except ValueError:
            return f"by signal {-code}"
    return f"exit code {code}"


def _to_log(message: str) -> None:
    print(f"dicomwebserver: {message}", file=sys.stderr, flush=True)
