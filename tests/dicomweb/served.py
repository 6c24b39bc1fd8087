"""A small archive of real files behind the whole application, in each state an instance can be in."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from pacs.background import step
from pacs.bootstrap import Services, assemble
from pacs.config import load
from pacs.dicomweb.app import create_app
from pacs.domain.model import Identity

DATA = Path(__file__).parent.parent / "data"
FILES = {
    "native": "studies/nm-multiframe/NM-MONO2-16-13x-heart",
    "lossy": "studies/us-colour-multiframe/examples_ybr_color.dcm",
    "lossless": "transfer-syntaxes/pydicom/MR_small_jpeg_ls_lossless.dcm",
    "big": "studies/rt-plan-dose/rtdose_expb.dcm",
    "deflated": "transfer-syntaxes/pydicom/image_dfl.dcm",
    "video": "transfer-syntaxes/made/video-h264-102.dcm",
    "mpeg2": "transfer-syntaxes/made/video-mpeg2-100.dcm",
    "pdf": "studies/made-documents/encapsulated-pdf.dcm",
    "cda": "studies/made-documents/encapsulated-cda.dcm",
    "stl": "studies/made-documents/encapsulated-stl.dcm",
    "ecg": "studies/made-documents/ecg-12lead.dcm",
    "report": "studies/sr-basic/test-SR.dcm",
}
ROOT = "/dicomweb"


class Archive(NamedTuple):
    """The services over the files, and where each is."""

    services: Services
    identities: Mapping[str, Identity]

    def url(self, path: str, kind: str = "native") -> str:
        """``path`` with {S}, {E}, {I} for the UIDs of a file."""
        study, series, instance = self.identities[kind]
        return ROOT + path.format(S=study, E=series, I=instance)

    def ask(self, path: str, kind: str = "native", method: str = "GET", **headers: str) -> httpx.Response:
        """One request; ``if_none_match`` is If-None-Match.  No Accept unless given."""
        return send(self.services, self.url(path, kind), method, {k.replace("_", "-"): v for k, v in headers.items()})


def send(services: Any, path: str, method: str = "GET", headers: Mapping[str, str] | None = None, **more: Any) -> httpx.Response:
    """A request against the application."""

    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(services), raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://inner") as client:
            for name in ("accept", "accept-encoding"):
                client.headers.pop(name)
            return await client.request(method, path, headers=headers, **more)

    return asyncio.run(run())


def fill(root: Path, settled: bool) -> Archive:
    """Stores the files; ``settled``: converted, sealed and published, else as they were received."""
    services = assemble(load(None, {"staticWadoConfig.rootDir": str(root), "dicomWebServerConfig.renderProcesses": 1}))
    identities = {}
    for kind, name in FILES.items():
        part = services.store.begin()
        part.write((DATA / name).read_bytes())
        part.end()
        outcome = services.store.received([part], "test")[0]
        assert outcome.identity is not None, (name, outcome)
        identities[kind] = outcome.identity
    while settled and step(services, 0.0):
        pass
    return Archive(services, identities)


def part_types(response: httpx.Response) -> list[str]:
    """The Content-Type of each part, read as viewers do."""
    return [head.decode() for head, _ in split(response)]


def split(response: httpx.Response) -> list[tuple[bytes, bytes]]:
    """(Content-Type, content) of each part."""
    mark = response.headers["content-type"].split("boundary=")[1].encode()
    body = response.content
    assert body.startswith(b"--" + mark) and body.endswith(b"\r\n--" + mark + b"--\r\n")
    found = []
    for piece in body[: -len(mark) - 6].split(b"--" + mark + b"\r\n")[1:]:
        head, _, content = piece.partition(b"\r\n\r\n")
        assert head.startswith(b"Content-Type: ")
        found.append((head[14:], content[:-2]))
    return found
