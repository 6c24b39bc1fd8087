"""Rendering in processes of its own, that can be killed.

A codec fed a hostile frame may hang, crash or eat memory. Each worker has a memory
limit; one that overruns its time or dies is replaced, and only its picture is lost.
"""

import multiprocessing
import queue
import signal
import threading
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from pacs.convert.render import Picture, Window, render_jpeg
from pacs.domain.errors import RenderFailed

_START_SECONDS = 30.0


class RenderPool:
    """At most ``processes`` workers, started at first use; safe for threads."""

    def __init__(self, processes: int = 1, seconds: float = 10, memory: int = 2 << 30) -> None:
        self._seconds, self._memory = seconds, memory
        self._closed = threading.Event()
        self._free: queue.LifoQueue[_Worker | None] = queue.LifoQueue()
        self._count = max(1, processes)
        for _ in range(self._count):
            self._free.put(None)

    def render(
        self,
        picture: Picture,
        frame: bytes,
        viewport: tuple[int, int] | None,
        quality: int = 85,
        window: Window | None = None,
    ) -> bytes:
        """``render_jpeg`` in a worker; waits for a free one."""
        return self._run("render", picture, bytes(frame), viewport, quality, window)

    def close(self) -> None:
        """Wait for the pictures in work, then end the workers."""
        if self._closed.is_set():
            return
        self._closed.set()
        for _ in range(self._count):
            worker = self._free.get()
            if worker is not None:
                worker.stop()
        for _ in range(self._count):
            self._free.put(None)

    def _run(self, task: str, *arguments: Any) -> bytes:
        worker = self._free.get()
        try:
            if self._closed.is_set():
                raise RenderFailed("rendering is shut down")
            if worker is None or not worker.alive():
                _discard(worker)
                worker = None
                worker = _Worker(self._memory)
            return worker.run(task, arguments, self._seconds)
        finally:
            if worker is not None and not worker.usable:
                _discard(worker)
                worker = None
            self._free.put(worker)


class _Worker:
    """One process and the parent's end of its pipe."""

    def __init__(self, memory: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self.usable = False
        self._process: BaseProcess = context.Process(target=_work, args=(theirs, memory), daemon=True, name="render")
        try:
            self._process.start()
        except OSError as error:
            self._pipe.close()
            raise RenderFailed(f"cannot start a render worker: {error}") from error
        finally:
            theirs.close()
        self._await_ready()

    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.is_alive()

    def run(self, task: str, arguments: tuple[Any, ...], seconds: float) -> bytes:
        """Send the task and wait; not usable any more unless an answer came."""
        self.usable = False
        try:
            self._pipe.send((task, arguments))
            if not self._pipe.poll(seconds):
                raise RenderFailed(f"rendering took more than {seconds:g} s")
            done, answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise RenderFailed("the render worker died") from error
        self.usable = True
        if not done:
            raise RenderFailed(answer)
        return bytes(answer)

    def stop(self) -> None:
        """Kill and reap."""
        self._process.kill()
        self._process.join()
        self._pipe.close()

    def _await_ready(self) -> None:
        """The start is not counted as rendering time."""
        try:
            self.usable = self._pipe.poll(_START_SECONDS) and bool(self._pipe.recv())
        except (EOFError, OSError):
            self.usable = False
        if not self.usable:
            self.stop()
            raise RenderFailed("the render worker did not start")


def _discard(worker: _Worker | None) -> None:
    if worker is not None:
        worker.stop()


def _work(pipe: Connection, memory: int) -> None:
    """The worker's life: answer until the parent's end of the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import imagecodecs  # noqa: F401  # loaded before the limit counts
    import numpy  # noqa: F401

    _limit(memory)
    try:
        pipe.send(True)
        while True:
            task, arguments = pipe.recv()
            pipe.send(_answer(task, arguments))
    except (EOFError, OSError):
        return


def _limit(memory: int) -> None:
    """Cap the address space at what is mapped now plus ``memory``."""
    import resource

    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            memory += int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        pass
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard != resource.RLIM_INFINITY:
        memory = min(memory, hard)
    resource.setrlimit(resource.RLIMIT_AS, (memory, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _answer(task: str, arguments: tuple[Any, ...]) -> tuple[bool, bytes | str]:
    try:
        return True, _TASKS[task](*arguments)
    except RenderFailed as error:
        return False, str(error)
    except MemoryError:
        return False, "not enough memory"
    except Exception as error:
        return False, f"{type(error).__name__}: {error}"


def _sleep(seconds: float) -> bytes:
    """For the tests of the time limit."""
    import time

    time.sleep(seconds)
    return b""


def _die() -> bytes:
    """For the tests of a crash."""
    import os

    os._exit(1)


def _eat(size: int) -> bytes:
    """For the tests of the memory limit."""
    return b"%d" % len(bytearray(size))


_TASKS: dict[str, Any] = {"render": render_jpeg, "sleep": _sleep, "die": _die, "eat": _eat}
