"""Prints what OHIF shows of each data type as a Markdown table: ``python -m tests.viewer.table ROOT [OUT]``.

ROOT is made by the first run and used again.  Every case with the presets ``static``, ``standard`` and ``strict``
(quoted Accept), from the viewer's own origin and from another.  Screenshots go to OUT.
"""

import sys
from pathlib import Path
from typing import Any

from tests.viewer.cases import CASES
from tests.viewer.conftest import Archive, fill
from tests.viewer.programs import dicomwebserver, ohif
from tests.viewer.test_ohif import saw

RUNS = [(preset, origin) for origin in ("same", "cross") for preset in ("static", "standard", "strict")]


def _cell(name: str, seen: dict[str, Any]) -> str:
    """Requests and encoded bytes of opening the study, or what is wrong."""
    case = CASES[name]
    series = zip(case.sees, seen.get("series", []), strict=True)
    good = (seen["image"] or not case.image or case.text) and seen["saysText"] and all(saw(what, one) for what, one in series)
    wrong = [f"{one['kind']} {one['status']}" for one in seen["bad"]]
    cell = f"{seen['requests']} / {seen['bytes'] / 1000:,.0f}" + (f" (+{seen['preflights']})" if seen["preflights"] else "")
    return cell if good and not wrong else f"**not shown** {cell} {' '.join(wrong)}".strip()


def _row(archive: Archive, name: str, runs: list[dict[str, Any]]) -> str:
    cells = [_cell(name, next(one for one in run["studies"] if one["name"] == name)) for run in runs]
    return f"| {CASES[name].what} | {' | '.join(cells)} |"


def main(root: Path, out: Path) -> None:
    archive = fill(root)
    plan = [case.plan(archive.studies[name]) for name, case in CASES.items()]
    out.mkdir(parents=True, exist_ok=True)
    runs = []
    with dicomwebserver(archive.root, out) as base:
        for preset, origin in RUNS:
            options = ("--no-list", "--preset", preset, "--origin", origin, "--settle", "1.5", "--settle-max", "20")
            runs.append(ohif(base, out / f"{preset}-{origin}", plan, *options))
            print(f"{preset} {origin} done", file=sys.stderr)
    print("| | " + " | ".join(f"`{preset}`, {origin} origin" for preset, origin in RUNS) + " |")
    print("|---|" + "---|" * len(RUNS))
    for name in CASES:
        print(_row(archive, name, runs))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "out"))
