"""An archive of all cases, served by this project and, a part of it, by nginx alone."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.viewer.cases import CASES, DATA, NAMES, study_below
from tests.viewer.programs import KIT, dicomwebserver, mkdicomweb, nginx

EXPORTED = ("ct", "mr")


@dataclass(frozen=True)
class Archive:
    """A filled root and the StudyInstanceUID of each case."""

    root: Path
    studies: dict[str, str]


def _made_slides(folder: Path) -> str:
    """A slide pyramid with the geometry that viewers ask for, below ``folder``; its study."""
    line = [sys.executable, str(KIT / "make_wsi.py"), str(DATA / "studies" / "made-wsi-pyramid"), str(folder)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[1]


def fill(folder: Path) -> Archive:
    """An archive of all cases below ``folder``."""
    slides = _made_slides(folder / "made-slides")
    studies = {name: slides if name == "slides" else study_below(case.path) for name, case in CASES.items()}
    paths = [folder / "made-slides" if name == "slides" else DATA / case.path for name, case in CASES.items()]
    root = folder / "root"
    mkdicomweb("create", "-o", root, *paths, *(DATA / "charsets" / "pydicom" / file for file in NAMES))
    return Archive(root, studies)


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    return fill(tmp_path_factory.mktemp("archive"))


@pytest.fixture(scope="session")
def server(archive: Archive, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The DICOMweb root of a server that learns its address from proxies."""
    with dicomwebserver(archive.root, tmp_path_factory.mktemp("server")) as base:
        yield base


@pytest.fixture(scope="session")
def named_server(archive: Archive, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The DICOMweb root of a server with ``publicUrl``: its links are absolute for every client."""
    with dicomwebserver(archive.root, tmp_path_factory.mktemp("named"), named=True) as base:
        yield base


@pytest.fixture(scope="session")
def site(archive: Archive, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The DICOMweb root of nginx over two exported studies."""
    folder = tmp_path_factory.mktemp("site")
    mkdicomweb("export", "-o", archive.root, *(archive.studies[name] for name in EXPORTED), "--to", folder / "studies-of-two")
    with nginx(folder / "studies-of-two", folder) as base:
        yield base
