"""The built wheel, installed where there is no source tree: it carries all it needs, the migrations too."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import httpx
import pytest

from tests.cli.conftest import DATA
from tests.processes import serving

PROJECT = Path(__file__).parent.parent.parent
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PACS_CONFIG", "PYTHONHOME")}


def check(command: list[object], **more: object) -> str:
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, timeout=240, **more)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the commands.  Dependencies are those of this environment: no network is needed."""
    folder = tmp_path_factory.mktemp("wheel")
    check([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder / "dist"], cwd=PROJECT)
    [wheel] = (folder / "dist").glob("static_dicomweb-*.whl")
    venv.create(folder / "venv", symlinks=True, with_pip=False)
    python = folder / "venv" / "bin" / "python"
    check([sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", "-q", wheel])
    [site] = (folder / "venv").glob("lib/python3*/site-packages")
    (site / "dependencies.pth").write_text("\n".join({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}) + "\n")
    return folder / "venv" / "bin"


def test_the_wheel_works_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    place = {"cwd": tmp_path, "env": {**ENVIRONMENT, "HOME": str(tmp_path)}}
    where = check([installed / "python", "-c", "import pacs; print(pacs.__file__)"], **place)
    assert where.startswith(str(installed.parent))
    assert "up to date" in check([installed / "mkdicomweb", "migrate"], **place)
    assert (tmp_path / "dicomweb-index.sqlite").exists()
    check([installed / "mkdicomweb", "create", DATA / "studies" / "ecg"], **place)
    with serving(command=[str(installed / "dicomwebserver")], cwd=tmp_path, env=place["env"]) as base:  # type: ignore[arg-type]
        [study] = httpx.get(f"{base}/studies").json()
        assert study["00080061"]["Value"] == ["ECG"]
        uid = study["0020000D"]["Value"][0]
        assert httpx.get(f"{base}/studies/{uid}/metadata").status_code == 200
    assert uid in check([installed / "mkdicomweb", "list"], **place)
