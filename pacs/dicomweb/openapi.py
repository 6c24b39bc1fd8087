"""The OpenAPI 3.1 document of all resources, made from their table."""

import re
from typing import Any

from pacs import __version__
from pacs.dicomweb.accept import Form
from pacs.dicomweb.resources import RESOURCES, Parameter, Resource

_UID = {"type": "string", "pattern": r"^[1-9][0-9]{0,5}(\.[1-9][0-9]{0,5}){1,5}$"}
_VARIABLES: dict[str, dict[str, Any]] = {
    "study": _UID,
    "series": _UID,
    "instance": _UID,
    "frames": {"type": "string", "pattern": r"^[1-9][0-9]{0,3}(,[1-9][0-9]{0,3}){0,3}$"},
    "digest": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    "path": {"type": "string", "pattern": "^[0-9A-F]{8}$"},
}
_WORDS = {
    200: "As asked.",
    202: "Some were stored.",
    206: "The bytes asked for by Range.",
    304: "Not changed since the entity tag given.",
    400: "Malformed; the problem says what.",
    404: "Nothing is there.",
    406: "Nothing acceptable; the problem lists what is available.",
    409: "Nothing was stored: conflicts.",
    413: "Too large.",
    415: "Not a media type that is stored.",
    416: "The range is outside of the value.",
    507: "No space left.",
}
_PROBLEM = {
    "type": "object",
    "required": ["status", "title", "detail"],
    "properties": {
        "status": {"type": "integer"},
        "title": {"type": "string"},
        "detail": {"type": "string"},
        "available": {"type": "array", "items": {"type": "string"}},
    },
}


def document(root: str) -> dict[str, Any]:
    """The document; ``root`` is the path of the service."""
    paths: dict[str, dict[str, Any]] = {}
    for one in RESOURCES:
        path = paths.setdefault(root + one.path.replace("*}", "}"), {})
        path[one.method.lower()] = _operation(one)
    for name in ("health", "openapi.json", "conformance"):
        kind = "text/html" if name == "conformance" else "application/json"
        paths["/" + name] = {"get": {"operationId": name, "responses": {"200": _answer(200, {kind: {}})}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "static-dicomweb", "version": __version__, "license": {"name": "MIT", "identifier": "MIT"}},
        "paths": paths,
        "components": {"schemas": {"Problem": _PROBLEM}},
    }


def _operation(one: Resource) -> dict[str, Any]:
    names = re.findall(r"{(\w+)\*?}", one.path)
    within = [{"name": name, "in": "path", "required": True, "schema": _VARIABLES[name]} for name in names]
    operation = {
        "operationId": re.sub(r"\W+", "-", f"{one.method}{one.path}").strip("-"),
        "summary": f"{one.name} (PS3.18 {one.section})",
        "parameters": [*within, *map(_parameter, one.parameters)],
        "responses": {str(status): _answer(status, _content(status, one)) for status in one.statuses},
    }
    if one.method == "POST":
        kinds = ("application/dicom", "multipart/related")
        operation["requestBody"] = {"content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in kinds}}
    return operation


def _parameter(one: Parameter) -> dict[str, Any]:
    return {"name": one.name, "in": "query", "required": one.required, "schema": one.schema, "description": one.words}


def _content(status: int, one: Resource) -> dict[str, Any]:
    if status in (200, 202, 206):
        return {_media(form): {} for form in one.forms}
    if status == 304:
        return {}
    if one.method == "POST":
        return {"application/json": {}, "application/dicom+json": {}, "application/dicom+xml": {}}
    return {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def _media(form: Form) -> str:
    return "multipart/related" if form.multipart else form.types[0]


def _answer(status: int, content: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": _WORDS[status]}
    return {**answer, "content": content} if content else answer
