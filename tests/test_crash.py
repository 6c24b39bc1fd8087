"""Killed at random during ingest: nothing acknowledged is missing, and the same command again completes the work."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from pacs.bootstrap import Services, assemble
from pacs.config import load
from pacs.domain.query import Query, QueryLevel

STUDY = Path(__file__).parent / "data" / "studies" / "mr-ge-4series-600"


def command(root: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "pacs.cli.mkdicomweb", "create", "-o", str(root), *more, str(STUDY)]


def check(services: Services) -> int:
    """Every visible instance is whole; how many there are."""
    seen = 0
    for found in services.repository.search(Query(QueryLevel.STUDY, limit=100)).rows:
        rows = services.repository.instances(found.identity[0])
        for row in rows:
            assert hashlib.sha256(b"".join(map(bytes, services.retrieve.file(row)))).hexdigest() == row.digest
        assert found.instances[0] == len(rows)
        seen += len(rows)
    return seen


def test_kill_during_create_loses_nothing_and_a_second_run_completes(tmp_path: Path) -> None:
    root = tmp_path / "root"
    settings = load(None, {"staticWadoConfig.rootDir": str(root)})
    dice = random.Random(7)
    before = 0
    for _ in range(4):
        process = subprocess.Popen(command(root), start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(dice.uniform(0.8, 3.0))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        services = assemble(settings)
        now = check(services)
        services.close()
        assert now >= before
        before = now
    done = subprocess.run(command(root, "--report", str(tmp_path / "report")), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert {json.loads(line)["status"] for line in (tmp_path / "report").open()} <= {"stored", "unchanged"}
    services = assemble(settings)
    assert check(services) == 600
    services.close()


def test_eight_commands_at_once_lose_nothing(tmp_path: Path) -> None:
    root = tmp_path / "root"
    processes = [
        subprocess.Popen([*command(root, "--processes", "1")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(8)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
        assert "locked" not in errors
    services = assemble(load(None, {"staticWadoConfig.rootDir": str(root)}))
    assert check(services) == 600
    services.close()
