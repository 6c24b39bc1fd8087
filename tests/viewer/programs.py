"""What the tests of this folder start: the commands of this project, nginx over an export, and the OHIF viewer."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parent.parent.parent
KIT = PROJECT / "tests" / "ohif"
# node may come from the virtual environment, nginx lies where only root looks.
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", ""), "/usr/sbin"])

NGINX = """
{user}
worker_processes 1;
daemon off;
pid nginx.pid;
events {{ }}
http {{
    access_log off;
    client_body_temp_path temp;
    proxy_temp_path temp;
    fastcgi_temp_path temp;
    uwsgi_temp_path temp;
    scgi_temp_path temp;
    include site.conf;
}}
"""


def program(name: str) -> str:
    """Where ``name`` is; without it nothing here can be shown, so the tests fail."""
    found = shutil.which(name, path=PATH)
    assert found, f"{name} is not installed: run `make viewer-deps`"
    return found


def mkdicomweb(*arguments: str | Path) -> str:
    """Runs the command and gives its output; it must succeed."""
    line = [sys.executable, "-m", "pacs.cli.mkdicomweb", *map(str, arguments)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def _running(line: Sequence[str], port: int, log: Path) -> Iterator[None]:
    """The program while it listens on ``port``; what it wrote is shown when it does not come to listen."""
    with log.open("w") as out:
        process = subprocess.Popen(line, stdout=out, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + 60
        while not _answers(port):
            assert process.poll() is None and time.monotonic() < end, f"{line[0]} did not start: {log.read_text()}"
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def dicomwebserver(root: Path, folder: Path, named: bool = False) -> Iterator[str]:
    """The DICOMweb root of a server over ``root``.  ``named``: it knows its own address, so that links are absolute."""
    port = free_port()
    base = f"http://127.0.0.1:{port}/dicomweb"
    config = folder / f"config-{port}.json5"
    config.write_text(json.dumps({"dicomWebServerConfig": {"publicUrl": base} if named else {}}))
    line = [sys.executable, "-m", "pacs.cli.dicomwebserver", "-c", str(config), "-o", str(root), "--port", str(port)]
    with _running(line, port, folder / f"server-{port}.log"):
        yield base


def _site_conf(site: Path, port: int) -> str:
    """``docs/nginx.conf`` for this folder and port, all else as it stands."""
    text = (PROJECT / "docs" / "nginx.conf").read_text()
    for there, here in (("listen 127.0.0.1:8080;", f"listen 127.0.0.1:{port};"), ("root /var/www/site;", f"root {site};")):
        assert text.count(there) == 1, f"docs/nginx.conf does not have one line {there}"
        text = text.replace(there, here)
    return text


@contextmanager
def nginx(site: Path, folder: Path) -> Iterator[str]:
    """The DICOMweb root of nginx over an exported site, configured by ``docs/nginx.conf``."""
    port = free_port()
    (folder / "site.conf").write_text(_site_conf(site, port))
    (folder / "nginx.conf").write_text(NGINX.format(user="user root;" if os.getuid() == 0 else ""))
    line = [program("nginx"), "-p", str(folder), "-c", "nginx.conf", "-e", "stderr"]
    with _running(line, port, folder / "nginx.log"):
        yield f"http://127.0.0.1:{port}/dicomweb"


BROWSER_DIED = "browser has been closed"


def ohif(base: str, out: Path, plan: Sequence[dict[str, Any]], *options: str) -> dict[str, Any]:
    """Opens each study of ``plan`` in OHIF in a headless Chromium; what it saw (``tests/ohif/README.md``).

    Screenshots, requests and console messages are left in ``out``.  A browser that dies says nothing about the service
    and gets one more try; what a living one sees counts the first time.
    """
    summary = _open_all(base, out, plan, *options)
    if BROWSER_DIED in summary.get("error", ""):
        summary = _open_all(base, out, plan, *options)
    assert "error" not in summary, summary["error"]
    return summary


def _open_all(base: str, out: Path, plan: Sequence[dict[str, Any]], *options: str) -> dict[str, Any]:
    out.mkdir(parents=True, exist_ok=True)
    (out / "plan.json").write_text(json.dumps(plan))
    line = [program("node"), str(KIT / "run.mjs"), "--base-url", base, "--out", str(out), "--plan", str(out / "plan.json")]
    done = subprocess.run([*line, *options], capture_output=True, text=True, timeout=600, env={**os.environ, "PATH": PATH})
    assert done.returncode in (0, 1) and done.stdout, f"{done.stderr}\nThe viewer did not run: is `make viewer-deps` done?"
    summary: dict[str, Any] = json.loads(done.stdout)
    return {**summary, "exit": done.returncode}
