"""The first minutes: what is wrong is one line that says what to do, and the exit code says whose turn it is."""

import socket
import sqlite3
from pathlib import Path

import httpx
import pytest

from tests.cli.conftest import CT
from tests.processes import line, run, serving, told

WRONG = {
    "{dicomWebServerConfig: {prot: 1}}": "port",
    "{dicomWebServerConfig: {port: 'x'}}": "dicomWebServerConfig.port",
    "{dicomWebServerConfig: {port: 1": "line 1",
    "[]": "one object",
}


@pytest.mark.parametrize("name", ["mkdicomweb", "dicomwebserver"])
@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_configuration(tmp_path: Path, text: str, name: str) -> None:
    config = tmp_path / "bad.json5"
    config.write_text(text)
    done = run(name, *(["list"] if name == "mkdicomweb" else []), "-c", config)
    said = told(done)
    assert done.returncode == 2
    assert str(config) in said and WRONG[text] in said


@pytest.mark.parametrize("name", ["mkdicomweb", "dicomwebserver"])
def test_a_configuration_that_is_not_there(tmp_path: Path, name: str) -> None:
    done = run(name, *(["migrate"] if name == "mkdicomweb" else []), "-c", tmp_path / "absent.json5")
    assert (done.returncode, "absent.json5" in told(done)) == (2, True)


COMMANDS = [
    ["mkdicomweb", "create", CT],
    ["mkdicomweb", "migrate"],
    ["mkdicomweb", "list"],
    ["mkdicomweb", "export", "1.2", "--to", "site"],
    ["dicomwebserver", "--port", "0"],
]


@pytest.mark.parametrize("below", ["", "below"])
@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: str(words[:2]))
def test_a_root_that_cannot_be(tmp_path: Path, words: list[str], below: str) -> None:
    """A file where the folder should be, or above it; holds for the administrator too."""
    (tmp_path / "file").write_text("")
    root = tmp_path / "file" / below
    if words[1] == "migrate" and not below:
        return  # the database lies beside the root
    done = run(words[0], *words[1:], "-o", root, cwd=tmp_path)
    assert done.returncode == 1
    assert "file" in told(done)


def test_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = run("mkdicomweb", "create", "-o", tmp_path / "root", tmp_path / "empty")
    assert (done.returncode, told(done)) == (1, "no files found")


@pytest.mark.parametrize("words", [["create", "nothing-here"], ["create"], ["nonsense"], ["create", "-x", "."]], ids=str)
def test_wrong_usage(tmp_path: Path, words: list[str]) -> None:
    done = run("mkdicomweb", *words, *(["-o", "root"] if words[0] == "create" else []), cwd=tmp_path)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert len(told(done)) < 300
    assert not (tmp_path / "root").exists()


def test_a_report_that_cannot_be_written(tmp_path: Path) -> None:
    done = run("mkdicomweb", "create", "-o", tmp_path / "root", "--report", tmp_path / "no" / "report", CT)
    assert done.returncode == 1
    assert "report" in told(done)


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("dicomwebserver", "-o", tmp_path / "root", "--port", port)
    assert done.returncode == 1
    assert str(port) in told(done)


def test_listening_to_everyone_has_to_be_asked_for(tmp_path: Path) -> None:
    done = run("dicomwebserver", "-o", tmp_path / "root", "--host", "0.0.0.0", "--port", 0)
    assert done.returncode == 2
    assert "--allow-unauthenticated" in told(done)


def test_an_empty_database_is_migrated_at_start(tmp_path: Path) -> None:
    with serving("-o", tmp_path / "root") as base:
        assert httpx.get(f"{base}/studies").json() == []
    assert (tmp_path / "root-index.sqlite").exists()


@pytest.mark.parametrize(("revision", "says"), [(None, "mkdicomweb migrate"), ("ffff", "newer")])
@pytest.mark.parametrize("words", [["dicomwebserver", "--port", "0"], ["mkdicomweb", "list"]], ids=str)
def test_a_database_of_another_program(tmp_path: Path, words: list[str], revision: str | None, says: str) -> None:
    assert run("mkdicomweb", "migrate", "-o", tmp_path / "root").returncode == 0
    with sqlite3.connect(tmp_path / "root-index.sqlite") as database:
        database.execute("DELETE FROM alembic_version")
        if revision:
            database.execute("INSERT INTO alembic_version VALUES (?)", (revision,))
    done = run(words[0], *words[1:], "-o", tmp_path / "root")
    assert done.returncode == 1
    assert says in told(done)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "root-index.sqlite").write_bytes(b"not a database" * 100)
    done = run("mkdicomweb", "list", "-o", tmp_path / "root")
    assert done.returncode == 1
    assert "root-index.sqlite" in told(done)


def test_the_module_and_the_command_are_one() -> None:
    assert line("mkdicomweb", "list")[1:3] == ["-m", "pacs.cli.mkdicomweb"]
