"""A store with a running server, and the doors into it."""

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import psutil
import pydicom
from pydicom.filereader import read_partial

PREFIX = "/dicomweb"
BOUNDARY = "cases-boundary"
STOW_TYPE = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
UIDS = (0x0020000D, 0x0020000E, 0x00080018)
MEASURE = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
with open(sys.argv[1], "w") as file:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    file.write(f"{used.ru_maxrss * 1024} {used.ru_utime + used.ru_stime}")
sys.exit(code)
"""
"""Runs a command and writes down its peak memory (its own: a child of a large process would be told that one's) and the
seconds of processor time it took."""


class Answer(NamedTuple):
    """An HTTP answer; header names in lower case, values of one name joined."""

    url: str
    status: int
    headers: dict[str, str]
    body: bytes


class Stored(NamedTuple):
    """What a door said about one file: stored, or the reason why not."""

    stored: bool
    reason: str


class Outcome(NamedTuple):
    """What a door said about a store step, and what it cost.

    ``seconds`` are of processor time: what the clock says depends on who else is at work.
    """

    files: dict[str, Stored]
    seconds: float
    extra_memory: int


def triple(file: Path) -> str:
    """The file's URL below the root, made from its UIDs as they stand (they may be no UIDs at all)."""
    with file.open("rb") as opened:
        found: Any = read_partial(opened, stop_when=lambda tag, vr, length: tag > max(UIDS), force=True)
    study, series, instance = (str(found[tag].value) if tag in found else "" for tag in UIDS)
    return f"/studies/{study}/series/{series}/instances/{instance}"


def values(dataset: Mapping[str, Any], tag: str) -> list[Any]:
    """The values of an element of DICOM JSON."""
    found: list[Any] = dataset.get(tag, {}).get("Value", [])
    return found


def tree_seconds(process: int) -> float:
    """Seconds of processor time of a process and its descendants."""
    tree = (psutil.Process(process), *psutil.Process(process).children(recursive=True))
    return sum(sum(one.cpu_times()[:2]) for one in tree)


def tree_memory(process: int, reset: bool = False) -> dict[int, int]:
    """Peak resident bytes of a process and its descendants; ``reset`` lets the peaks begin again from now."""
    found = {}
    for one in (psutil.Process(process), *psutil.Process(process).children(recursive=True)):
        if reset:
            Path(f"/proc/{one.pid}/clear_refs").write_text("5")
        status = Path(f"/proc/{one.pid}/status").read_text()
        peak = next((line for line in status.splitlines() if line.startswith("VmHWM")), "VmHWM 0 kB")
        found[one.pid] = int(peak.split()[1]) * 1024
    return found


class World:
    """One root, one server over it, one door for the store steps."""

    def __init__(self, folder: Path, cases: Path, door: str, settings: Mapping[str, Any], zone: str) -> None:
        self.folder, self.cases, self.door = folder, cases, door
        self.root = folder / "a" / "b" / "c" / "root"
        self.root.parent.mkdir(parents=True)
        self.config = folder / "config.json5"
        self.config.write_text(json.dumps(settings))
        self.log = folder / "server.log"
        self._environment = {**os.environ, "TZ": zone}
        self._server: subprocess.Popen[str] | None = None
        self._prepared: dict[str, Stored] = {}
        self._usual_memory = 0
        self.address = ("", 0)

    def start(self) -> None:
        """Starts the server and waits for its address."""
        with self.log.open("w") as log:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "pacs.cli.dicomwebserver", "-c", str(self.config), "-o", str(self.root), "--port", "0"],
                stdout=subprocess.PIPE, stderr=log, text=True, env=self._environment,
            )  # fmt: skip
        assert self._server.stdout is not None
        place = next((word for word in self._server.stdout.readline().split() if word.startswith("http://")), None)
        assert place is not None, self.log.read_text()
        split = urlsplit(place)
        self.address = (split.hostname or "", split.port or 0)

    def close(self) -> None:
        """Stops the server."""
        if self._server is not None:
            self._server.terminate()
            self._server.wait(30)
            assert self._server.stdout is not None
            self._server.stdout.close()

    def ask(self, method: str, url: str, headers: Iterable[tuple[str, str]] = (), body: bytes | None = None) -> Answer:
        """One request with exactly these headers; ``url`` is sent as it stands, below the DICOMweb root."""
        given = list(headers)
        names = {name.lower() for name, _ in given}
        connection = http.client.HTTPConnection(*self.address, timeout=60)
        try:
            connection.putrequest(method, PREFIX + url, skip_host="host" in names, skip_accept_encoding=True)
            for name, value in given:
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            got = connection.getresponse()
            joined: dict[str, str] = {}
            for name, value in got.getheaders():
                joined[name.lower()] = f"{joined[name.lower()]}, {value}" if name.lower() in joined else value
            return Answer(url, got.status, joined, got.read())
        finally:
            connection.close()

    def prepare(self, paths: list[str]) -> None:
        """The command line: stores the files of many cases by one command, and keeps what it said for :meth:`store`."""
        if self.door == "create" and paths:
            done = self._create(paths)
            self._prepared, self._usual_memory = dict(done.files), done.extra_memory

    def store(self, paths: list[str], **limits: Any) -> Outcome:
        """Stores the files of one step by the door."""
        if self.door == "stow":
            return self.stow(paths)
        if paths and all(path in self._prepared for path in paths):
            return Outcome({path: self._prepared.pop(path) for path in paths}, 0, 0)
        done = self._create(paths, **limits)
        return done._replace(extra_memory=max(done.extra_memory - self._usual_memory, 0))

    def store_at_once(self, groups: list[list[str]], commands: int) -> None:
        """Stores each group at the same moment: so many of them, the last ones, by the command, the others by STOW."""
        by_command = [(group, self.folder / f"report-{at}") for at, group in enumerate(groups)][len(groups) - commands :]
        with ThreadPoolExecutor(len(groups)) as pool:
            waiting = [pool.submit(self.stow, group) for group in groups[: len(groups) - commands]]
            running = [(self.start_create(group, report), group, report) for group, report in by_command]
            outcomes = [self.finish_create(*one) for one in running] + [one.result() for one in waiting]
        assert all(one.stored for outcome in outcomes for one in outcome.files.values()), outcomes

    def stow(self, paths: list[str]) -> Outcome:
        """One STOW request; every part must be accounted for in the answer."""
        head = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        parts = [head + (self.cases / path).read_bytes() + b"\r\n" for path in paths]
        headers = [("Content-Type", STOW_TYPE), ("Accept", "application/dicom+json")]
        assert self._server is not None
        before, started = tree_memory(self._server.pid, reset=True), tree_seconds(self._server.pid)
        got = self.ask("POST", "/studies", headers, b"".join([*parts, f"--{BOUNDARY}--\r\n".encode()]))
        seconds = tree_seconds(self._server.pid) - started
        extra = max(peak - before.get(process, peak) for process, peak in tree_memory(self._server.pid).items())
        told = json.loads(got.body)
        good, bad = values(told, "00081199"), values(told, "00081198")
        urls = [values(item, "00081190")[0].partition(PREFIX)[2] for item in good]
        assert got.status == (200 if not bad else 202 if good else 409), (got.status, told)
        files = {path: Stored(triple(self.cases / path) in urls, "") for path in paths}
        refused = [path for path, one in files.items() if not one.stored]
        assert len(good) + len(bad) == len(paths) and len(bad) == len(refused), told
        reasons = [f"{values(item, '00081197')[0]} {' '.join(values(item, '00000902'))}" for item in bad]
        files |= {path: Stored(False, reason) for path, reason in zip(refused, reasons, strict=True)}
        return Outcome(files, seconds, extra)

    def start_create(self, paths: list[str], report: Path, before: list[str] | None = None) -> "subprocess.Popen[str]":
        """``mkdicomweb create`` on its way; ``before``: words in front of the command."""
        measure = [sys.executable, "-S", "-E", "-c", MEASURE, f"{report}-cost"]
        options = ["-c", str(self.config), "-o", str(self.root), "--report", str(report), "--processes", "1"]
        files = [str(self.cases / path) for path in paths]
        command = [*(before or []), sys.executable, "-m", "pacs.cli.mkdicomweb", "create", *options, *files]
        return subprocess.Popen(
            [*measure, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=self._environment
        )

    def finish_create(self, process: "subprocess.Popen[str]", paths: list[str], report: Path) -> Outcome:
        """Waits for the command and reads its report: a row for every file, exit 3 when some are refused."""
        said, _ = process.communicate(timeout=120)
        assert "Traceback" not in said and "database is locked" not in said, said
        rows = [json.loads(line) for line in report.read_text().splitlines()]
        by_name = {str(Path(row["path"]).relative_to(self.cases)): row for row in rows}
        assert sorted(by_name) == sorted(paths), said
        good = ("stored", "unchanged", "replaced")
        files = {path: Stored(by_name[path]["status"] in good, by_name[path]["reason"]) for path in paths}
        assert not any(row["status"] == "failed" for row in rows), rows
        assert process.returncode == (0 if all(one.stored for one in files.values()) else 3), said
        memory, seconds = Path(f"{report}-cost").read_text().split()
        return Outcome(files, float(seconds), int(memory))

    def _create(self, paths: list[str], before: list[str] | None = None) -> Outcome:
        report = self.folder / "report"
        return self.finish_create(self.start_create(paths, report, before), paths, report)

    def strays(self) -> list[str]:
        """What lies beside the root although nothing but the index belongs there."""
        found = [path for path in self.folder.rglob("*") if path.is_file() and self.root not in path.parents]
        mine = ("report", "root-index.sqlite", "config.json5", "server.log")
        return [str(path) for path in found if not path.name.startswith(mine)]


def other_study(source: Path, target: Path, patient: str) -> None:
    """A copy of a file with other UIDs and another patient."""
    dataset = pydicom.dcmread(source)
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(dataset, keyword, f"{getattr(dataset, keyword)[:60]}.1")
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.PatientID = patient
    dataset.save_as(target)
