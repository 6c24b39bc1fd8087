"""Eight commands and four STOW clients at once, on the same study and on studies of their own."""

import json
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.faults.server import TOP, Server, all_stored, stow, until
from tests.faults.work import Place, check_whole, new_place, publish, receive, settle, snapshot
from tests.made_files import part10

COMMANDS, CLIENTS = 8, 4
COMMON = [
    part10("1.1", f"1.1.{s}", f"1.1.{s}.{k}", number=k, series_number=s, seed=k, side=16, bulk=b"same" * 2000)
    for s in (1, 2) for k in range(1, 17)
]  # fmt: skip


def own(who: int) -> list[bytes]:
    """The files of one of the twelve, in a study of its own."""
    study = f"1.2.{who}"
    return [part10(study, f"{study}.1", f"{study}.1.{k}", number=k, seed=who + k, side=16) for k in range(1, 9)]


def command(config: Path, folder: Path, who: int) -> "subprocess.Popen[str]":
    folder.mkdir()
    for number, file in enumerate(COMMON + own(who)):
        (folder / f"{number}.dcm").write_bytes(file)
    return subprocess.Popen(
        [sys.executable, "-m", "pacs.cli.mkdicomweb", "create", "-c", str(config), "--processes", "1", str(folder)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=TOP,
    )  # fmt: skip


def client(port: int, who: int) -> list[tuple[int, bytes]]:
    """Sends in an order of its own, a few files a request."""
    files = COMMON + own(who)
    random.Random(who).shuffle(files)
    return [stow(port, files[at : at + 5]) for at in range(0, len(files), 5)]


def documents(place: Place) -> dict[str, object]:
    """All but pictures, which other processes draw."""
    services = place.open()
    check_whole(services)
    settle(services)
    publish(services)
    found = snapshot(services)
    services.close()
    return {name: value for name, value in found.items() if not name.endswith("thumbnail")}


def serial(folder: Path) -> dict[str, object]:
    """The same files stored one after the other."""
    place = new_place(folder)
    services = place.open()
    for files in (COMMON, *(own(who) for who in range(COMMANDS + CLIENTS))):
        receive(services, tuple(files))
    services.close()
    return documents(place)


def test_eight_commands_and_four_clients_at_once(tmp_path: Path) -> None:
    place = new_place(tmp_path / "together")
    config = tmp_path / "config.json5"
    settings = {"rootDir": str(place.folder / "root"), "packFramesOver": 2, "bulkdataOver": 64, "receiveMemoryBytes": 40_000}
    config.write_text(json.dumps({"staticWadoConfig": settings, "dicomWebServerConfig": {"quietSeconds": 0.2}}))
    with Server(config, workers=2) as server:
        commands = [command(config, tmp_path / f"files{who}", who) for who in range(COMMANDS)]
        with ThreadPoolExecutor(CLIENTS) as pool:
            answers = list(pool.map(lambda who: client(server.port, who), range(COMMANDS, COMMANDS + CLIENTS)))
        told = [process.communicate(timeout=120)[0] for process in commands]
        assert [process.returncode for process in commands] == [0] * COMMANDS, told
        assert all(all_stored(answer) for one in answers for answer in one)
        until(lambda: not below_incoming(place))
        found = json.loads(server.get("/dicomweb/studies?limit=100&includefield=all")[1])
        counts = {one["0020000D"]["Value"][0]: one["00201208"]["Value"][0] for one in found}
        assert counts == {"1.1": len(COMMON)} | {f"1.2.{who}": 8 for who in range(COMMANDS + CLIENTS)}
        series = json.loads(server.get("/dicomweb/studies/1.1/series")[1])
        assert [one["00201209"]["Value"][0] for one in series] == [16, 16]
    for text in (server.log.read_text(), *told, *(str(answer) for one in answers for answer in one)):
        assert "locked" not in text and "Traceback" not in text
    assert documents(place) == serial(tmp_path / "serial")


def below_incoming(place: Place) -> list[Path]:
    return sorted((place.folder / "root" / "incoming").glob("*"))
