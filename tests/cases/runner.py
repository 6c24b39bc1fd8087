"""Runs the steps of a case in a world."""

import asyncio
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
from sqlalchemy import event
from sqlalchemy.engine import Engine

from pacs.bootstrap import assemble
from pacs.config import load
from pacs.dicomweb.app import create_app
from pacs.storage.disk import DiskStorage
from tests.cases.judge import Seen, judge, look_up, parsed
from tests.cases.world import PREFIX, Answer, Outcome, World, other_study, triple, values

Case = dict[str, Any]
Step = dict[str, Any]
RUN = ("store", "http", "union")

ELSEWHERE: Mapping[str, tuple[int, ...]] = {
    "B71": (6,),  # after a deletion
    "B78": (2, 3, 4, 6, 7, 8, 10, 11),  # after deletions
}
"""Steps of a kind that is run here, which need a part of the product that is tested in its own place."""


def steps_to_run(case: Case) -> list[tuple[int, Step]]:
    """The steps run here, with their places in the case."""
    left_out = ELSEWHERE.get(case["id"], ())
    return [(at, step) for at, step in enumerate(case["steps"]) if step["do"] in RUN and at not in left_out]


class Run:
    """One case in one world: ``problems`` found, and the ``outcomes`` of its store steps."""

    def __init__(self, case: Case, world: World) -> None:
        self.case, self.world = case, world
        self.problems: list[str] = []
        self.outcomes: list[dict[str, bool]] = []
        self._remembered: dict[str, str] = {}
        logged = world.log.stat().st_size
        wanted = dict(steps_to_run(case))
        for at, step in enumerate(case["steps"]):
            try:
                found = {"store": self._store, "http": self._http, "union": self._union}[step["do"]](step) if at in wanted else []
                if step["do"] in ("system", "dimse"):
                    self._arrange(at)
            except Exception as error:
                found = [f"{type(error).__name__}: {error}"]
            self.problems += [f"step {at} ({step['do']} {step.get('url', '')}): {problem}" for problem in found]
        alive = world.ask("GET", "/studies?limit=1")
        self.problems += [] if alive.status == 200 else [f"at the end the server answers {alive.status}"]
        said = world.log.read_bytes()[logged:].decode()
        self.problems += [f"the server says {said[-2000:]}"] if "Traceback" in said or "is locked" in said else []

    def _store(self, step: Step) -> list[str]:
        outcome = self.world.store(step["files"])
        self.outcomes.append({path: one.stored for path, one in outcome.files.items()})
        done = [path for path, one in outcome.files.items() if one.stored]
        other = [f"{path} does not come back as it was" for path in done if not self._comes_back(path)]
        return judge_store(step, outcome, self.world) + other

    def _comes_back(self, path: str) -> bool:
        """Whether the instance's bytes are those of the file."""
        accept = [("Accept", "application/dicom; transfer-syntax=*")]
        got = self.world.ask("GET", triple(self.world.cases / path), accept)
        return (got.status, got.body) == (200, (self.world.cases / path).read_bytes())

    def metadata(self) -> dict[str, Any]:
        """The metadata of every study the case left, by its UID."""
        stored = {path for outcome in self.outcomes for path, there in outcome.items() if there}
        studies = sorted({triple(self.world.cases / path).split("/")[2] for path in stored})
        proxy = [("X-Forwarded-Host", "pacs.example"), ("X-Forwarded-Proto", "https"), ("Accept", "application/dicom+json")]
        return {study: parsed(self.world.ask("GET", f"/studies/{study}/metadata", proxy)) for study in studies}

    def _fill(self, text: str) -> str:
        return re.sub(r"\{(etag|remembered)\}", lambda found: self._remembered[found[1]], text)

    def _http(self, step: Step) -> list[str]:
        url = self._fill(step["url"])
        headers = [(name, self._fill(value)) for name, value in (step.get("headers") or {}).items()]
        body = (self.world.cases / step["body_file"]).read_bytes() if "body_file" in step else None
        expect = step["expect"]
        found = self._cost(url, headers, expect) if "storage_reads_at_most" in expect else []

        def ask() -> Answer:
            return self.world.ask(step["method"], url, headers, body)

        answer = ask()
        found += judge(Seen(answer, expect, self.world, ask))
        if "remember_uri" in expect:
            uri = look_up(parsed(answer), expect["remember_uri"])
            self._remembered["remembered"] = httpx.URL(f"http://inner{PREFIX}{url}").join(uri).path.removeprefix(PREFIX)
        if "remember_etag" in expect:
            self._remembered["etag"] = answer.headers["etag"]
        return found

    def _union(self, step: Step) -> list[str]:
        expect, seen = step["expect"], []
        for at, url in enumerate(step["urls"]):
            if at == 1 and "with" in expect:
                self._another_study()
            answer = self.world.ask("GET", url, [("Accept", "application/dicom+json")])
            if answer.status != 200:
                return [f"{url}: status {answer.status}"]
            seen += [value for item in parsed(answer) for value in values(item, expect["tag"])]
        assert set(expect) <= {"tag", "same_set", "no_repeats", "with"}
        found = [] if set(seen) == set(expect["same_set"]) else [f"{len(set(seen))} values, not {len(expect['same_set'])}"]
        return found if len(set(seen)) == len(seen) else [*found, "values repeat"]

    def _another_study(self) -> None:
        """One more study of another patient, with the same date and time."""
        name = f"{self.case['id']}/another-{self.world.door}.dcm"
        other_study(self.world.cases / self.case["files"][0]["path"], self.world.cases / name, "another patient")
        self.world.stow([name])

    def _arrange(self, at: int) -> None:
        """What a step that is not run here leaves behind for the next ones, made with this world's door."""
        files = [file["path"] for file in self.case["files"]]
        match (self.case["id"], at):
            case ("B52", 0):  # few file handles
                self.world.store(files, before=["prlimit", "--nofile=128"])
            case ("B56", 3):  # a file known and a new one at the same moment
                self.world.store_at_once([[files[3]], [files[0]]], 2 if self.world.door == "create" else 1)
            case ("B57", 0):  # three writers
                self.world.store_at_once([files[:10], files[10:20], files[20:]], 1)
            case ("B60", 3):  # a private SOP class
                self.world.store(files)
            case ("B73", 3):  # once more after the failures
                self.world.store(["B73/whole.dcm"])

    def _cost(self, url: str, headers: list[tuple[str, str]], expect: Mapping[str, Any]) -> list[str]:
        """Asks the application in this process, over counted storage and database."""
        settings = load(str(self.world.config), {"staticWadoConfig.rootDir": str(self.world.root)})
        storage = Counted(settings.root)
        services = assemble(settings, storage=storage)
        services.repository.counts()  # connects

        async def ask() -> int:
            transport = httpx.ASGITransport(create_app(services))  # type: ignore[arg-type]
            async with httpx.AsyncClient(transport=transport, base_url="http://inner") as client:
                return (await client.get(PREFIX + url, headers=headers)).status_code

        with statements() as queries:
            status = asyncio.run(ask())
        services.close()
        cost = {"storage_reads_at_most": len(storage.reads), "database_queries_at_most": len(queries)}
        found = [f"{name}: {cost[name]}" for name in cost if cost[name] > expect.get(name, cost[name])]
        return found if status == 200 else [f"status {status} in the same process"]


class Counted(DiskStorage):
    """A store that writes down what is read."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.reads: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        if name in ("get", "read", "size", "exists", "view", "list"):
            self.reads.append(name)
        return super().__getattribute__(name)


@contextmanager
def statements() -> Iterator[list[str]]:
    """The SQL statements of the block, beginnings of transactions left out."""
    seen: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith("BEGIN"):
            seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def judge_store(step: Step, outcome: Outcome, world: World) -> list[str]:
    """Everything that is wrong with what a door said; each refusal has a reason, whatever is asked."""
    done = {path for path, one in outcome.files.items() if one.stored}
    found = [f"{path}: refused without a reason" for path, one in outcome.files.items() if not one.stored and not one.reason]
    for key, wanted in step["expect"].items():
        right = {
            "stored": lambda w: done == set(step["files"] if w == "all" else w),
            "not_stored": lambda w: not done & set(w),
            "stored_at_least": lambda w: done >= set(w),
            "one_of": lambda w: True,  # stored, or refused with a reason: looked at above
            "max_seconds": lambda w: outcome.seconds <= w,
            "max_extra_memory_mb": lambda w: outcome.extra_memory <= w << 20,
            "settings": lambda w: True,  # the world was made with them
            "nothing_written_outside_root": lambda w: not world.strays(),
        }[key](wanted)
        if not right:
            found.append(f"{key} {wanted} does not hold: {outcome}, {world.strays()}")
    return found
