"""The real OHIF viewer in a headless Chromium, over the real server and over an export behind nginx.

Each session opens its studies in one browser; screenshots are left in pytest's temporary folder.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from pacs.dicomweb.page import data_source
from tests.viewer.cases import CASES, NAMES
from tests.viewer.conftest import EXPORTED, Archive
from tests.viewer.programs import ohif

# What the page at / tells people to paste, but for the addresses.
PASTED = {key: value for key, value in data_source("")["configuration"].items() if not key.endswith("Root")}


@dataclass(frozen=True)
class Session:
    """One run of the viewer: from which service, with which options, which cases."""

    service: str
    cases: tuple[str, ...]
    options: tuple[str, ...]


SESSIONS = {
    "standard": Session("server", tuple(name for name in CASES if name != "video"), ("--preset", "standard")),
    "pasted": Session("server", ("mr", "documents", "video"), ("--no-list", "--preset", "none", "--ds", json.dumps(PASTED))),
    "static": Session("server", ("us", "ecg", "video", "slides"), ("--no-list", "--preset", "static")),
    "quoted, cross origin": Session(
        "server", ("mr", "seg", "documents"), ("--no-list", "--preset", "strict", "--origin", "cross")
    ),
    "nginx": Session("site", EXPORTED, ("--preset", "static")),
    "nginx, cross origin": Session(
        "site", EXPORTED, ("--preset", "static", "--origin", "cross", "--ds", '{"omitQuotationForMultipartRequest":false}')
    ),
}
STUDIES = [(session, name) for session, given in SESSIONS.items() for name in given.cases]
Runs = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="module")
def run(request: pytest.FixtureRequest, archive: Archive, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """The summary of a session, which runs when it is first asked for."""
    done: dict[str, dict[str, Any]] = {}

    def of(session: str) -> dict[str, Any]:
        if session not in done:
            given = SESSIONS[session]
            plan = [CASES[name].plan(archive.studies[name]) for name in given.cases]
            options = (*given.options, "--settle", "1.5", "--settle-max", "20")
            if session == "standard":
                options += tuple(word for text in NAMES.values() for word in ("--list-filter", text))
            base = request.getfixturevalue(given.service)
            done[session] = ohif(base, tmp_path_factory.mktemp(session.replace(", ", "-").replace(" ", "-")), plan, *options)
        return done[session]

    return of


def saw(what: str, seen: dict[str, Any]) -> bool:
    """Whether an opened series shows what :class:`Case` names."""
    found: dict[str, bool] = {
        "image": seen["image"],
        "colour": seen["image"] and any(canvas.get("coloured", 0) > 0.01 for canvas in seen["canvases"]),
        "shapes": seen["image"] and seen["shapes"] > 0,
        "embed": bool(seen["embeds"]),
        "any": True,
    }
    return found[what]


@pytest.mark.parametrize(("session", "name"), STUDIES, ids=lambda part: part)
def test_study(session: str, name: str, run: Runs) -> None:
    case = CASES[name]
    seen = next(one for one in run(session)["studies"] if one["name"] == name)
    assert seen["bad"] == [] and seen["outside"] == [] and seen["pageErrors"] == []
    assert seen["image"] or not case.image or case.text
    assert seen["saysText"]
    assert [saw(what, one) for what, one in zip(case.sees, seen.get("series", []), strict=True)] == [True] * len(case.sees)
    if session == "standard":
        assert seen["kinds"].get("frames", {"n": 0})["n"] == case.frames


@pytest.mark.parametrize("session", SESSIONS)
def test_session(session: str, run: Runs) -> None:
    """The kit's own verdict; a page on another origin asks first only where its Accept is quoted."""
    summary = run(session)
    assert summary["exit"] == 0
    asked_first = sum(one["preflights"] for one in summary["studies"])
    assert (asked_first > 0) == ("cross origin" in session)


@pytest.mark.parametrize(("session", "rows"), [("standard", 20), ("nginx", len(EXPORTED))])
def test_study_list(session: str, rows: int, run: Runs) -> None:
    found = run(session)["list"]
    assert found["shown"] and found["rows"] >= rows and found["bad"] == []


@pytest.mark.parametrize("text", NAMES.values())
def test_names_in_the_study_list(text: str, run: Runs) -> None:
    """A name typed in its own script finds its studies, and shows as it was typed."""
    found = next(one for one in run("standard")["list"]["filters"] if one["text"] == text)
    assert found["rows"] and all(text in row for row in found["rows"])
    assert [line.rsplit(" ", 1)[1] for line in found["requests"]] == ["200"]
