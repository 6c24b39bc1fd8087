"""The OpenAPI document against the server, by schemathesis: no 5xx, no undocumented status, media type or Allow.

The budget is fixed and the same at each run: so many examples an operation, of valid and of invalid requests.
"""

from datetime import timedelta
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import allow_header_conformance, content_type_conformance, status_code_conformance

from pacs.dicomweb import openapi
from tests.dicomweb.served import ROOT, Archive, send

EXAMPLES = 12
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, allow_header_conformance]
DOCUMENT = openapi.document(ROOT)
OPERATIONS = [(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods]
UIDS = {"study": 0, "series": 1, "instance": 2, "studyUID": 0, "seriesUID": 1, "objectUID": 2}


@schemathesis.serializer("application/dicom", "multipart/related", "application/dicom+json", "application/dicom+xml")
def _as_it_is(_: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def _of_archive(archive: Archive, path: str, method: str) -> Any:
    """The operation, its UIDs those of a stored instance, or unknown."""
    identity = archive.identities["native"]
    operation = DOCUMENT["paths"][path][method]
    parameters = [
        {**one, "schema": {"enum": [identity[UIDS[one["name"]]], "1.2.3"]}} if one["name"] in UIDS else one
        for one in operation.get("parameters", [])
    ]
    document = {**DOCUMENT, "paths": {path: {method: {**operation, "parameters": parameters}}}}
    return schemathesis.openapi.from_dict(document)[path][method]


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda m: m.value)
@pytest.mark.parametrize(("path", "method"), OPERATIONS, ids=lambda x: x)
def test_answers_are_as_documented(settled: Archive, path: str, method: str, mode: GenerationMode) -> None:
    operation = _of_archive(settled, path, method)
    if mode is GenerationMode.NEGATIVE and not operation.definition.raw.get("parameters"):
        mode = GenerationMode.POSITIVE

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    def run(case: Any) -> None:
        wanted = requests.Request(**_of_requests(case.as_transport_kwargs(base_url="http://inner"))).prepare()
        path = wanted.path_url
        got = send(settled.services, path, wanted.method, dict(wanted.headers), content=wanted.body or b"")
        got.elapsed = timedelta()
        case.validate_response(got, checks=CHECKS)

    run()


def _of_requests(given: dict[str, Any]) -> dict[str, Any]:
    names = ("method", "url", "headers", "files", "data", "params", "auth", "cookies", "json")
    return {name: value for name, value in given.items() if name in names}
