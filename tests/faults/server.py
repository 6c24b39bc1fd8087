"""Real servers for tests, and a client that needs nothing."""

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import psutil

TOP = Path(__file__).parents[2]
BOUNDARY = "made-up"


def until(holds: Callable[[], Any], seconds: float = 30) -> Any:
    """The first true answer; AssertionError when there is none in time."""
    end = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < end, "nothing came of it"
        time.sleep(0.05)
    return found


class Server:
    """``dicomwebserver`` on a free port, in a process group of its own."""

    def __init__(self, config: Path, workers: int = 1, log: Path | None = None) -> None:
        self.log = log or config.with_suffix(".log")
        with self.log.open("a") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pacs.cli.dicomwebserver", "-c", str(config), "--port", "0", "--workers", str(workers)],
                stdout=subprocess.PIPE, stderr=file, text=True, start_new_session=True, cwd=TOP,
            )  # fmt: skip
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert "http://" in line, self.log.read_text()
        self.port = int(line.split("http://127.0.0.1:")[1].split("/")[0])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def kill(self) -> None:
        """All of its processes at once, as a power cut."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def children(self) -> list[psutil.Process]:
        """The processes beside the first: those that answer, then the one in the background."""
        found = [one for one in psutil.Process(self.process.pid).children() if _works(one)]
        return sorted(found, key=lambda one: (one.create_time(), one.pid))

    def get(self, path: str, accept: str = "*/*") -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path, headers={"Accept": accept})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def _works(process: psutil.Process) -> bool:
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except psutil.Error:  # dead already
        return False


def all_stored(answer: tuple[int, bytes]) -> bool:
    """200, or 202 only because something was replaced: no Failed SOP Sequence."""
    status, body = answer
    return status in (200, 202) and b'"00081198"' not in body


def stow(port: int, files: list[bytes]) -> tuple[int, bytes]:
    """The answer to one request with these files."""
    parts = b"".join(b"--%s\r\nContent-Type: application/dicom\r\n\r\n%s\r\n" % (BOUNDARY.encode(), file) for file in files)
    kind = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", "/dicomweb/studies", parts + f"--{BOUNDARY}--\r\n".encode(), {"Content-Type": kind})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
