"""The commands as real processes."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

TIMEOUT = 240
Done = subprocess.CompletedProcess[str]


def line(name: str, *words: object) -> list[str]:
    """The command line of ``mkdicomweb`` or ``dicomwebserver``."""
    return [sys.executable, "-m", f"pacs.cli.{name}", *map(str, words)]


def run(name: str, *words: object, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Done:
    """Runs a command to its end."""
    given = {**os.environ, **(env or {})}
    return subprocess.run(line(name, *words), capture_output=True, text=True, timeout=TIMEOUT, cwd=cwd, env=given)


def told(done: Done) -> str:
    """The one line a refused command says; a traceback or more lines fail."""
    assert "Traceback" not in done.stderr, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


@contextmanager
def serving(
    *words: object, command: list[str] | None = None, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Iterator[str]:
    """The DICOMweb root of a server that runs meanwhile, on a free port."""
    full = [*(command or line("dicomwebserver")), *map(str, words), "--port", "0"]
    process = subprocess.Popen(full, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd, env=env)
    try:
        assert process.stdout is not None and process.stderr is not None
        first = process.stdout.readline()
        found = re.search(r"DICOMweb root (http\S+)\)", first)
        if found is None:
            process.kill()
            raise AssertionError(f"the server does not start: {first} {process.stderr.read()}")
        yield found[1]
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
        assert "Traceback" not in errors, errors
