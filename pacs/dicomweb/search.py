"""Searches (QIDO-RS, PS3.18 10.6), in front of the router: lists are asked for before everything else."""

import hashlib
from functools import lru_cache
from typing import Any, NamedTuple

from pacs.convert.coding import encode
from pacs.dicomweb import accept, qido
from pacs.dicomweb.errors import Problem, answer, problem
from pacs.dicomweb.requests import base_url, coding, in_thread, pairs, settings_of, uids, wanted
from pacs.dicomweb.types import Receive, Scope, Send
from pacs.domain.query import Query, QueryLevel
from pacs.services.search import Answer

JSON = "application/dicom+json"
XML = "application/dicom+xml"
_OFFERS = (
    accept.Form("json", (JSON, "application/json")),
    accept.Form("xml", (XML, "application/xml", "text/xml"), True),
)
_SMALL = 1000
_LEVELS = {"studies": QueryLevel.STUDY, "series": QueryLevel.SERIES, "instances": QueryLevel.INSTANCE}


class Target(NamedTuple):
    """A search resource (Table 10.6.1-1)."""

    level: QueryLevel
    study: str | None = None
    series: str | None = None


def match(path: str, root: str) -> Target | None:
    """The resource of a path below ``root``, None when it is no search."""
    if not path.startswith(root + "/"):
        return None
    match path[len(root) + 1 :].split("/"):
        case [("studies" | "series" | "instances") as name]:
            return Target(_LEVELS[name])
        case ["studies", study, ("series" | "instances") as name]:
            return Target(_LEVELS[name], study)
        case ["studies", study, "series", series, "instances"]:
            return Target(QueryLevel.INSTANCE, study, series)
    return None


def takes(scope: Scope, root: str) -> bool:
    """Whether a request is for :class:`Searches`: all but what stores (10.5)."""
    target = match(scope["path"], root)
    if target is None:
        return False
    stores = target.study is None and target.level != QueryLevel.SERIES
    return not (scope["method"] == "POST" and stores)


@lru_cache(maxsize=256)
def _chosen(header: str) -> str:
    return accept.choose(accept.parse(header), _OFFERS).name


class Searches:
    """The ASGI application of the search resources."""

    def __init__(self, services: Any, root: str) -> None:
        settings = settings_of(services)
        self._search = services.search
        self._root, self._public = root, settings.public_url
        self._limits = qido.Limits(
            settings.max_results, services.search.catalogue, settings.unmatched_keys == "refuse"
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            status, headers, body = await self._answer(scope)
        except Exception as error:
            told = answer(error)
            status, headers, body = told.status, told.headers, told.body
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        target = match(scope["path"], self._root) or Target(QueryLevel.STUDY)
        if scope["method"] != "GET":
            return _refused(scope["method"], target)
        uids(target.study, target.series)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        query = pairs(scope["query_string"])
        kind = _chosen(wanted(query, headers.get("accept")))
        parsed = qido.parse(query, target.level, target.study, target.series, self._limits)
        base = base_url(headers, self._root, self._public)
        found, media, body, tag = await in_thread(self._run, parsed.query, base, kind)
        kind = coding(headers.get("accept-encoding", "")) if len(body) >= _SMALL else ""
        tag = f'"{tag}{kind and "-" + kind}"'
        given = [
            ("content-type", media), ("etag", tag), ("cache-control", "no-cache"), ("vary", "Accept, Accept-Encoding"),
            ("content-encoding", kind), ("warning", qido.warnings(found.remaining, parsed.unmatched, found.pending)),
        ]  # fmt: skip
        told = [(name.encode(), value.encode("latin-1", "replace")) for name, value in given if value]
        if _same(headers.get("if-none-match", ""), tag):
            return 304, told[1:], b""
        if kind:
            body = await in_thread(encode, body, kind)
        return 200, [*told, (b"content-length", str(len(body)).encode())], body

    def _run(self, query: Query, base: str | None, kind: str) -> tuple[Answer, str, bytes, str]:
        """The answer, its media type, its body and the body's digest."""
        found: Answer = self._search.run(query, base)
        media, body = (JSON, _json(found.records)) if kind == "json" else _xml(found.records)
        return found, media, body, hashlib.blake2b(body, digest_size=16).hexdigest()


def _refused(method: str, target: Target) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    stores = target.study is None and target.level != QueryLevel.SERIES
    told: Problem = problem(405, f"{method} is not possible here")
    allowed = b"GET, HEAD, POST, OPTIONS" if stores else b"GET, HEAD, OPTIONS"
    return told.status, [*told.headers, (b"allow", allowed)], told.body


def _same(header: str, tag: str) -> bool:
    """If-None-Match, compared weakly (RFC 9110 13.1.2)."""
    return bool(header) and ("*" in header or tag in [one.strip().removeprefix("W/") for one in header.split(",")])


def _json(records: list[bytes]) -> bytes:
    """A JSON array; no match is an empty one (10.6.3.1)."""
    return b"[" + b",".join(records) + b"]"


def _xml(records: list[bytes]) -> tuple[str, bytes]:
    """A part a record (8.7.3, Table 8.7.3-1: Native DICOM Model, PS3.19 A.1)."""
    import orjson

    from pacs.dicom.xml import from_json

    mark = "search-" + hashlib.blake2b(b"".join(records), digest_size=16).hexdigest()
    head = f"--{mark}\r\nContent-Type: {XML}\r\n\r\n".encode()
    parts = [head + from_json(orjson.loads(record)) + b"\r\n" for record in records]
    return f'multipart/related; type="{XML}"; boundary={mark}', b"".join(parts) + f"--{mark}--\r\n".encode()
