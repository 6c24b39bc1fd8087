"""The reproduced faults (``README.md``): every case by STOW and by the command line.

All ``store``, ``http`` and ``union`` steps are run, by both doors, against a real server process.  One world a door serves
all cases; a second one has other settings and another time zone, for the cases that ask for them.

Not run here:

- the 15 ``dimse`` steps (A-ASSOCIATE, C-STORE, C-FIND, C-MOVE): they belong to the DIMSE tests;
- the 30 ``system`` steps (processes, sockets, full disks, deletion): where a later step needs what they leave behind, the
  runner makes that with the door at hand; B58 has no other steps;
- 1 store and 8 http steps that follow a deletion (``runner.ELSEWHERE``): they belong to the tests of deletion.

``GET`` of an instance with ``Accept: */*`` is metadata by default, as with a bare GET; B42 asks for the standard's default
and gets it by ``retrieveDefault: "dicom"``.
"""

import json
from collections import Counter
from collections.abc import Iterator
from itertools import chain, takewhile
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest

from tests.cases import make_cases
from tests.cases.runner import ELSEWHERE, Run, steps_to_run
from tests.cases.world import World

DOORS = ("stow", "create")
IDS = [build.__name__.upper() for build in make_cases.BUILDERS if build is not make_cases.b58]
WITHOUT_STORE = ("B39", "B45", "B47", "B49", "B52", "B57", "B60", "B66")
SETTINGS: dict[str, dict[str, Any]] = {
    "usual": {},
    "special": {
        "staticWadoConfig": {"maxInflatedBytes": 32 << 20},
        "dicomWebServerConfig": {"retrieveDefault": "dicom"},
    },
}
ZONES = {"usual": "UTC", "special": "Asia/Kolkata"}
pytestmark = pytest.mark.xdist_group("cases")
WORLDS = {"B42": ("special",), "B51": ("special",), "B86": ("usual", "special")}


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The generated files and ``cases.json``."""
    made = tmp_path_factory.mktemp("cases")
    collection = make_cases.Set(made)
    for build in make_cases.BUILDERS:
        build(collection)
    collection.write()
    return made


@pytest.fixture(scope="session")
def cases(folder: Path) -> dict[str, dict[str, Any]]:
    """The cases by their names."""
    return {case["id"]: case for case in json.loads((folder / "cases.json").read_text())["cases"]}


class Runs:
    """Worlds and runs, made when they are first wanted."""

    def __init__(self, folder: Path, cases: dict[str, dict[str, Any]], base: Path) -> None:
        self.folder, self.cases, self.base = folder, cases, base
        self.worlds: dict[tuple[str, str], World] = {}
        self.done: dict[tuple[str, str, str], Run] = {}

    def world(self, kind: str, door: str) -> World:
        if (kind, door) not in self.worlds:
            made = World(self.base / f"{kind}-{door}", self.folder, door, SETTINGS[kind], ZONES[kind])
            self.worlds[kind, door] = made
            made.prepare(self._first_files(kind))
            made.start()
        return self.worlds[kind, door]

    def _first_files(self, kind: str) -> list[str]:
        """The files of the steps that cases begin with, as far as these are store steps whose cost is not looked at."""
        mine = [case for case in self.cases.values() if kind in WORLDS.get(case["id"], ("usual",))]
        stores = (takewhile(lambda step: step["do"] == "store", map(itemgetter(1), steps_to_run(case))) for case in mine)
        plain = [step for step in chain.from_iterable(stores) if "max_seconds" not in step["expect"]]
        wanted = [path for step in plain for path in step["files"]]
        arranged = [file["path"] for case in mine if case["id"] in ("B60", "B73") for file in case["files"]]
        return list(dict.fromkeys(wanted + arranged))

    def of(self, case: str, door: str) -> list[Run]:
        kinds = WORLDS.get(case, ("usual",))
        for kind in kinds:
            if (case, kind, door) not in self.done:
                self.done[case, kind, door] = Run(self.cases[case], self.world(kind, door))
        return [self.done[case, kind, door] for kind in kinds]


@pytest.fixture(scope="session")
def runs(folder: Path, cases: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    made = Runs(folder, cases, tmp_path_factory.mktemp("worlds"))
    yield made
    for world in made.worlds.values():
        world.close()


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("case", IDS)
def test_case(case: str, door: str, runs: Runs) -> None:
    problems = [problem for run in runs.of(case, door) for problem in run.problems]
    assert not problems, f"{runs.cases[case]['title']}\n" + "\n".join(problems)


@pytest.mark.parametrize("case", [one for one in IDS if one not in WITHOUT_STORE])
def test_doors_agree(case: str, runs: Runs) -> None:
    """The same files are stored, and what is served of them is the same."""
    stow, create = (runs.of(case, door) for door in DOORS)
    assert [run.outcomes for run in stow] == [run.outcomes for run in create] != [[]] * len(stow)
    assert [run.metadata() for run in stow] == [run.metadata() for run in create]


def test_every_step_is_accounted_for(cases: dict[str, dict[str, Any]]) -> None:
    assert [name for name in cases if name != "B58"] == IDS
    assert [name for name in IDS if not any(step["do"] == "store" for _, step in steps_to_run(cases[name]))] == [*WITHOUT_STORE]
    kinds = Counter(step["do"] for case in cases.values() for step in case["steps"])
    assert kinds == {"store": 42, "http": 185, "union": 2, "dimse": 15, "system": 30, "note": 1}
    left_out = Counter(cases[name]["steps"][at]["do"] for name, places in ELSEWHERE.items() for at in places)
    assert left_out == {"store": 1, "http": 8}
    run = Counter(step["do"] for case in cases.values() for _, step in steps_to_run(case))
    assert run == kinds - left_out - Counter({"dimse": 15, "system": 30, "note": 1})
