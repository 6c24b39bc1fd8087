"""What becomes of every test file, as a Markdown table by folder.

    python bench/table.py [--depth 2]

Runs ``mkdicomweb create`` on ``tests/data`` into a temporary root and counts its report.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

DATA = Path(__file__).resolve().parent.parent / "tests" / "data"
STATUSES = ("stored", "replaced", "unchanged", "refused")


def report() -> list[tuple[Path, str]]:
    """(path below the data, status) of every file."""
    folders = sorted(str(path) for path in DATA.iterdir() if path.is_dir())
    with tempfile.TemporaryDirectory() as made:
        file = Path(made) / "report"
        command = [sys.executable, "-m", "pacs.cli.mkdicomweb", "create", "-o", f"{made}/root", "--report", str(file), *folders]
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        rows = [json.loads(line) for line in file.read_text().splitlines()]
    return [(Path(row["path"]).relative_to(DATA), row["status"]) for row in rows]


def table(rows: list[tuple[Path, str]], depth: int) -> str:
    """One line a folder, and the sum."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for path, status in rows:
        for folder in ("/".join(path.parts[: min(depth, len(path.parts) - 1)]), "~"):
            counts[folder][status] += 1
    lines = ["| folder | files | " + " | ".join(STATUSES) + " |", "|---|" + "---:|" * (len(STATUSES) + 1)]
    for folder, found in sorted(counts.items()):
        cells = [sum(found.values()), *(found[status] for status in STATUSES)]
        name = "**all**" if folder == "~" else f"`{folder}`"
        lines.append(f"| {name} | " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--depth", type=int, default=1)
    print(table(report(), parser.parse_args().depth))
