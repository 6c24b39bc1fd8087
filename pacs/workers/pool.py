"""Decoding in processes of its own, that can be killed: pictures and transcoded frames.

A codec fed a hostile frame may hang, crash or eat memory. Each worker has a memory
limit; one that overruns its time or dies is replaced, and only its frame is lost.
"""

import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from pacs.convert.letters import placeholder
from pacs.convert.picture import Picture
from pacs.convert.render import render
from pacs.convert.transcode import transcode_frame
from pacs.domain.errors import BadRequest, NotAcceptable, PacsError, RenderFailed
from pacs.domain.model import RenderOptions

_START_SECONDS = 30.0
_ERRORS = {kind.__name__: kind for kind in (RenderFailed, NotAcceptable, BadRequest)}


class WorkerPool:
    """At most ``processes`` workers, started at first use; safe for threads."""

    def __init__(self, processes: int = 1, seconds: float = 10, memory: int = 2 << 30) -> None:
        self._seconds, self._memory = seconds, memory
        self._closed = threading.Event()
        self._free: queue.LifoQueue[_Worker | None] = queue.LifoQueue()
        self._count = max(1, processes)
        for _ in range(self._count):
            self._free.put(None)

    def render(
        self, picture: Picture, frames: Sequence[bytes], options: RenderOptions, notes: Sequence[str] = ()
    ) -> bytes:
        """:func:`pacs.convert.render.render` in a worker; waits for a free one."""
        return self._run("render", picture, [bytes(frame) for frame in frames], options, tuple(notes))

    def transcode(self, picture: Picture, frame: bytes, target: str) -> bytes:
        """:func:`pacs.convert.transcode.transcode_frame` in a worker; waits for a free one."""
        return self._run("transcode", picture, bytes(frame), target)

    def placeholder(self, text: str, size: tuple[int, int]) -> bytes:
        """:func:`pacs.convert.letters.placeholder` in a worker, so that other processes need no codec."""
        return self._run("placeholder", text, size)

    def close(self) -> None:
        """Wait for the frames in work, then end the workers."""
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
            raise RenderFailed(f"cannot start a worker: {error}") from error
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
                raise RenderFailed(f"the frame took more than {seconds:g} s")
            error, answer = self._pipe.recv()
        except (EOFError, OSError) as fault:
            raise RenderFailed("the worker died of this frame") from fault
        self.usable = True
        if error:
            raise _ERRORS[error](answer)
        return bytes(answer)

    def stop(self) -> None:
        """Kill and reap."""
        self._process.kill()
        self._process.join()
        self._pipe.close()

    def _await_ready(self) -> None:
        """The start is not counted as working time."""
        try:
            self.usable = self._pipe.poll(_START_SECONDS) and bool(self._pipe.recv())
        except (EOFError, OSError):
            self.usable = False
        if not self.usable:
            self.stop()
            raise RenderFailed("the worker did not start")


def _discard(worker: _Worker | None) -> None:
    if worker is not None:
        worker.stop()


def _work(pipe: Connection, memory: int) -> None:
    """The worker's life: answer until the parent's end of the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import imagecodecs  # noqa: F401  # loaded before the limit counts
    import numpy  # noqa: F401

    _limit(memory)
    _silence()
    try:
        pipe.send(True)
        while True:
            task, arguments = pipe.recv()
            pipe.send(_answer(task, arguments))
    except (EOFError, OSError):
        return


def _silence() -> None:
    """Codecs print what they think of hostile frames; what matters comes back as an error."""
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)


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


def _answer(task: str, arguments: tuple[Any, ...]) -> tuple[str, bytes | str]:
    """(name of the error or nothing, the bytes or the reason)."""
    try:
        return "", _TASKS[task](*arguments)
    except PacsError as error:
        name = type(error).__name__
        return name if name in _ERRORS else RenderFailed.__name__, str(error)
    except MemoryError:
        return RenderFailed.__name__, "not enough memory"
    except Exception as error:
        return RenderFailed.__name__, f"{type(error).__name__}: {error}"


def _sleep(seconds: float) -> bytes:
    """For the tests of the time limit."""
    import time

    time.sleep(seconds)
    return b""


def _die() -> bytes:
    """For the tests of a crash."""
    os.kill(os.getpid(), signal.SIGSEGV)
    return b""


def _eat(size: int) -> bytes:
    """For the tests of the memory limit."""
    return b"%d" % len(bytearray(size))


_TASKS: dict[str, Any] = {
    "render": render, "transcode": transcode_frame, "placeholder": placeholder, "sleep": _sleep, "die": _die, "eat": _eat,
}  # fmt: skip
