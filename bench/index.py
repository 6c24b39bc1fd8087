#!/usr/bin/env python
"""The index alone: fills SQLite with N one-instance studies (tiny.py) through the repository, shows each kind of query's plan,
and times it in this process and, with --http, over one connection to a server.

    python bench/index.py --studies 10000 --root /tmp/index
    python bench/index.py --studies 10000 --root /tmp/index --keep --http
"""
import argparse
import http.client
import os
import random
import statistics
import subprocess
import sys
import time

import tiny

from pacs.convert.describe import describe
from pacs.convert.levels import Levels
from pacs.dicom.reader import read
from pacs.dicomweb.qido import parse_query
from pacs.dicomweb.requests import pairs
from pacs.dicomweb.search import match
from pacs.repository.engine import make_engine
from pacs.repository.forms import shape_of
from pacs.repository.migrate import prepare
from pacs.repository.search import bound_of
from pacs.repository.sql import SqlRepository
from pacs.repository.statement import statements

BATCH = 64


def fill(repository, first, last):
    """Stores studies first..last-1; instances, seconds in the repository."""
    spent, count, batch, levels = 0.0, 0, [], Levels()

    def flush():
        nonlocal spent, count
        started = time.perf_counter()
        repository.store(batch, "bench", "replace", lambda *_: None)
        spent += time.perf_counter() - started
        count += len(batch)
        batch.clear()

    for data in tiny.instances(first, last):
        batch.append(describe(read(data), data, "incoming/x", 4096, levels))
        if len(batch) == BATCH:
            flush()
    if batch:
        flush()
    return count, spent


def kinds(n):
    """Name -> query paths, as bench/query.py asks them."""
    rng = random.Random(1)
    some = [tiny.study(i) for i in sorted(rng.sample(range(n), 200))]
    out = {"patient id": [f"/studies?PatientID={f['pid']}&limit=25" for f in some]}
    out["name prefix"] = [f"/studies?PatientName={f['name'][:4]}*&limit=25" for f in some[:50]]
    out["name contains"] = [f"/studies?PatientName=*{f['name'][2:6]}*&limit=25" for f in some[:50]]
    out["fuzzy"] = [f"/studies?PatientName={f['name'].split('^')[1][:4]}&fuzzymatching=true&limit=25" for f in some[:50]]
    out["week + modality"] = [
        f"/studies?StudyDate=2019{m:02d}01-2019{m:02d}07&ModalitiesInStudy={x}&limit=25"
        for m in range(1, 13) for x in ("CT", "MR", "US")
    ]
    out["first page"] = ["/studies?limit=101&offset=0&includefield=00081030"]
    out["deep page"] = [f"/studies?limit=25&offset={n * p // 100}" for p in range(85, 98)]
    out["series of study"] = [f"/studies/{f['uid']}/series" for f in some[:50]]
    deep = tiny.study(0)["uid"]
    out["series of deep study"] = [f"/studies/{deep}/series"]
    out["instances of series"] = [f"/studies/{deep}/series/{tiny.series_uid(0, k)}/instances" for k in range(tiny.DEEP[0])]
    out["study of an instance"] = [f"/instances?SOPInstanceUID={tiny.uid('tiny-sop', i, 0, 0)}" for i in range(50)]
    return out


def parsed(path):
    place, _, text = path.partition("?")
    target = match("/r" + place, "/r")
    return parse_query(pairs(text.encode()), target.level, target.study, target.series, 5000)


def plan(repository, query):
    statement = statements(shape_of(query)[0], "sqlite").page
    rows = repository._reader().connection.execute("EXPLAIN QUERY PLAN " + statement.sql, statement.bind(bound_of(query)))
    return [row[3] for row in rows]


def timed(call, items, seconds):
    took, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        for item in items:
            started = time.perf_counter()
            call(item)
            took.append((time.perf_counter() - started) * 1e3)
            if time.perf_counter() > end:
                break
    took.sort()
    return statistics.median(took), took[int(len(took) * 0.95)], took[0]


def serve(root, port):
    server = subprocess.Popen([os.path.join(os.path.dirname(sys.executable), "dicomwebserver"), "-o", root, "--port", str(port)])
    for _ in range(200):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port)
            connection.request("GET", "/health")
            connection.getresponse().read()
            return server, connection
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the server does not answer")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--studies", type=int, default=10000)
    p.add_argument("--root", required=True)
    p.add_argument("--keep", action="store_true", help="use what is there")
    p.add_argument("--seconds", type=float, default=1.0)
    p.add_argument("--http", action="store_true")
    p.add_argument("--port", type=int, default=6310)
    p.add_argument("--plans", action="store_true")
    a = p.parse_args()
    url = f"sqlite:///{a.root}-index.sqlite"
    os.makedirs(a.root, exist_ok=True)
    if not a.keep:
        for end in ("", "-wal", "-shm"):
            if os.path.exists(f"{a.root}-index.sqlite{end}"):
                os.remove(f"{a.root}-index.sqlite{end}")
    prepare(url)
    repository = SqlRepository(make_engine(url))
    if not a.keep:
        made, spent = fill(repository, 0, a.studies)
        print(f"filled: {made} instances, {made / spent:.0f}/s in the index, {os.path.getsize(url[10:]) / made:.0f} bytes each")
    server = None
    if a.http:
        server, connection = serve(a.root, a.port)

        def ask(path):
            connection.request("GET", "/dicomweb" + path, headers={"Accept": "application/dicom+json"})
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200:
                raise SystemExit(f"{path}: {answer.status} {body[:200]}")
    try:
        print(f"{'kind':24}{'index p50':>10}{'p95':>8}{'best':>8}" + (f"{'http p50':>10}{'p95':>8}{'best':>8}" if server else ""))
        for name, paths in kinds(a.studies).items():
            queries = [parsed(path) for path in paths]
            p50, p95, best = timed(repository.search, queries, a.seconds)
            line = f"{name:24}{p50:10.3f}{p95:8.3f}{best:8.3f}"
            if server:
                h50, h95, best = timed(ask, paths, a.seconds)
                line += f"{h50:10.3f}{h95:8.3f}{best:8.3f}"
            print(line, flush=True)
            if a.plans:
                print("    " + "\n    ".join(plan(repository, queries[0])))
    finally:
        if server:
            server.terminate()
            server.wait()
        repository.close()


if __name__ == "__main__":
    main()
