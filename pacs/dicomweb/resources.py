"""The one table of what is served: each resource, the forms it can be sent in, the parameters it takes, its section of PS3.18.

Routes, Accept negotiation, 405 and 406, ``/capabilities``, the OpenAPI document and the conformance statement are all made
from it: what is not here does not exist.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from pacs.dicom.syntax import SYNTAXES
from pacs.dicomweb.accept import Form
from pacs.domain.attributes import STANDARD, QueryLevel

DICOM, OCTETS = "application/dicom", "application/octet-stream"
JSON_TYPES = ("application/dicom+json", "application/json")
WADL = "application/vnd.sun.wadl+xml"

JSON = Form("json", JSON_TYPES)
XML = Form("xml", ("application/dicom+xml",), multipart=True)
STORED_XML = Form("xml", ("application/dicom+xml",))
PARTS = Form("parts", (DICOM,), multipart=True, transfer=True)
FILE = Form("file", (DICOM, OCTETS), transfer=True)
ZIP = Form("zip", ("application/zip",), transfer=True)
JPEG, PNG, GIF = (Form(kind, (f"image/{kind}",)) for kind in ("jpeg", "png", "gif"))
PICTURES = (JPEG, PNG, GIF)
MANY_PICTURES = tuple(form._replace(multipart=True) for form in PICTURES)
FRAME_TYPES = tuple(dict.fromkeys((OCTETS, *(one.media_type for one in SYNTAXES.values()))))
FRAMES = tuple(Form("frames", (kind,), True, True) for kind in FRAME_TYPES)
ONE_FRAME = tuple(form._replace(name="frame", multipart=False) for form in FRAMES)
VALUE = Form("value", (OCTETS,))
VALUE_PART = Form("part", (OCTETS,), multipart=True)
PLAIN_JSON = Form("json", ("application/json",))
DOCUMENT = Form("document", ("application/pdf", "text/xml", "video/mp4", "video/mpeg"))


class Parameter(NamedTuple):
    """A query parameter: its name, the JSON schema of its value, what it is, whether it must be there."""

    name: str
    schema: dict[str, Any]
    words: str
    required: bool = False


class Resource(NamedTuple):
    """One resource.  The first form is the default.  ``path`` is below the service root; ``{name*}`` takes all the rest."""

    name: str
    section: str
    path: str
    forms: tuple[Form, ...]
    parameters: tuple[Parameter, ...] = ()
    method: str = "GET"
    statuses: tuple[int, ...] = (200, 304, 400, 404, 406)
    handler: str = ""

    @property
    def ranged(self) -> bool:
        return 206 in self.statuses


_TEXT: dict[str, Any] = {"type": "string"}
_FLAG: dict[str, Any] = {"type": "string", "enum": ["true", "false"]}
_SIZE = r"^[1-9][0-9]{0,3},[1-9][0-9]{0,3}$"
ACCEPT = Parameter("accept", _TEXT, "Instead of the Accept header (8.3.3.1).")
VIEWPORT = Parameter("viewport", {"type": "string", "pattern": _SIZE}, "Width and height to fit into (8.3.5.1.3).")
REGION = VIEWPORT._replace(
    schema={"type": "string", "pattern": _SIZE[:-1] + r"(,[0-9]{1,4},[0-9]{1,4},-?[1-9][0-9]{0,3},-?[1-9][0-9]{0,3})?$"},
    words="Width and height to fit into, and the region x, y, width, height; negative flips (8.3.5.1.3).",
)
WINDOW = Parameter(
    "window",
    {"type": "string", "pattern": r"^-?[0-9]{1,6},[1-9][0-9]{0,5}(,(linear|linear-exact|sigmoid))?$"},
    "Center, width and function (8.3.5.1.4).",
)
QUALITY = Parameter("quality", {"type": "integer", "minimum": 1, "maximum": 100}, "JPEG quality (8.3.5.1.2).")
ANNOTATION = Parameter(
    "annotation", {"type": "string", "enum": ["patient", "technique", "patient,technique"]}, "Texts to draw (8.3.5.1.1)."
)
PROFILE = Parameter(
    "iccprofile",
    {"type": "string", "enum": ["no", "yes", "srgb", "adobergb", "rommrgb", "displayp3"]},
    "Colour profile to include (8.3.5.1.5).",
)
DRAWN = (ACCEPT, REGION, WINDOW, QUALITY, ANNOTATION, PROFILE)
_WHOLE: dict[str, Any] = {"type": "integer", "minimum": 1, "maximum": 100000}
PAGING = (
    Parameter("limit", _WHOLE, "Most records to return (8.3.4.4)."),
    Parameter("offset", {**_WHOLE, "minimum": 0}, "Records to skip (8.3.4.4)."),
    Parameter("fuzzymatching", _FLAG, "Names match word by word (8.3.4.2)."),
    Parameter("includefield", _TEXT, "Attributes to add: keywords or tags by comma, or all (8.3.4.3)."),
    Parameter("emptyvaluematching", _FLAG, "An empty value matches empty ones (8.3.4.6)."),
    Parameter("multiplevaluematching", _FLAG, "Several values of one attribute match any (8.3.4.5)."),
)
URI_KINDS = ["application/dicom", "image/jpeg", "image/png", "image/gif", "application/pdf", "video/mp4"]
URI = (
    Parameter("requestType", {"type": "string", "enum": ["WADO"]}, "Always WADO (9.1.2.1.1).", True),
    Parameter("studyUID", _TEXT, "Study Instance UID (9.1.2.1.2).", True),
    Parameter("seriesUID", _TEXT, "Series Instance UID (9.1.2.1.3).", True),
    Parameter("objectUID", _TEXT, "SOP Instance UID (9.1.2.1.4).", True),
    Parameter("contentType", {"type": "string", "enum": URI_KINDS}, "Media types by comma (9.1.2.2.1)."),
    Parameter("charset", _TEXT, "Only UTF-8 (9.1.2.2.2)."),
    Parameter("transferSyntax", _TEXT, "With application/dicom (9.4.2)."),
    Parameter("frameNumber", _WHOLE, "Frame of a picture, from 1 (9.5.2)."),
    Parameter("rows", {**_WHOLE, "maximum": 16384}, "Greatest height of a picture (9.5.2)."),
    Parameter("columns", {**_WHOLE, "maximum": 16384}, "Greatest width of a picture (9.5.2)."),
    Parameter("region", _TEXT, "Left, top, right, bottom, from 0.0 to 1.0 (9.5.2)."),
    Parameter("windowCenter", {"type": "number"}, "With windowWidth (9.5.2)."),
    Parameter("windowWidth", {"type": "number", "minimum": 1}, "With windowCenter (9.5.2)."),
    Parameter("imageQuality", QUALITY.schema, "JPEG quality (9.5.2)."),
    Parameter("annotation", ANNOTATION.schema, "Texts to draw (9.5.2)."),
    Parameter("anonymize", {"type": "string", "enum": ["no"]}, "Refused unless it is no (9.4.2)."),
)

STUDY, SERIES = "/studies/{study}", "/studies/{study}/series/{series}"
INSTANCE = SERIES + "/instances/{instance}"
FRAME = INSTANCE + "/frames/{frames}"
_LEVELS = (("Study", STUDY), ("Series", SERIES), ("Instance", INSTANCE))
_RANGED = (200, 206, 304, 400, 404, 406, 416)
_STORED = (200, 202, 400, 406, 409, 413, 415, 507)


def _rows() -> Iterator[Resource]:
    for level, path in _LEVELS:
        forms = (PARTS, *((FILE,) if level == "Instance" else ()), ZIP, JSON)
        statuses = _RANGED if level == "Instance" else (200, 304, 400, 404, 406)
        yield Resource(f"Retrieve {level}", "10.4.1.1.1", path, forms, (ACCEPT,), statuses=statuses, handler="objects")
    for level, path in _LEVELS:
        name = f"Retrieve {level} Metadata"
        yield Resource(name, "10.4.1.1.2", f"{path}/metadata", (JSON, XML), (ACCEPT,), handler="metadata")
    for level, path in (*_LEVELS, ("Frames", FRAME)):
        alone = (*PICTURES, DOCUMENT) if level == "Instance" else PICTURES if level == "Frames" else ()
        statuses = _RANGED if alone else (200, 304, 400, 404, 406)
        yield Resource(f"Retrieve Rendered {level}", "10.4.1.1.3", f"{path}/rendered", (*alone, *MANY_PICTURES), DRAWN,
                       statuses=statuses, handler="rendered")  # fmt: skip
    for level, path in (*_LEVELS, ("Frame", FRAME)):
        yield Resource(f"Retrieve {level} Thumbnail", "10.4.1.1.4", f"{path}/thumbnail", (JPEG,), (ACCEPT, VIEWPORT),
                       statuses=_RANGED, handler="thumbnail")  # fmt: skip
    frames = (*FRAMES, *ONE_FRAME)
    yield Resource("Retrieve Frames", "10.4.1.1.6", FRAME, frames, (ACCEPT,), handler="frames")
    yield Resource("Retrieve Pixel Data", "10.4.1.1.6", f"{INSTANCE}/frames", frames, (ACCEPT,), handler="frames")
    yield Resource("List Bulk Data", "none", f"{STUDY}/bulkdata", (PLAIN_JSON,), (ACCEPT,), handler="bulk_list")
    yield Resource("Retrieve Bulk Data", "10.4.1.1.5", STUDY + "/bulkdata/{digest}", (VALUE, VALUE_PART), (ACCEPT,),
                   statuses=_RANGED, handler="bulk")  # fmt: skip
    yield Resource("Retrieve Bulk Data of an Element", "10.4.1.1.5", STUDY + "/bulkdata/{instance}/{path*}",
                   (VALUE, VALUE_PART), (ACCEPT,), statuses=_RANGED, handler="bulk")  # fmt: skip
    yield Resource("Retrieve by URI", "9", "/wado", (FILE, *PICTURES, DOCUMENT), URI, statuses=_RANGED, handler="uri")
    yield Resource("Retrieve Capabilities", "8.9", "/capabilities", (PLAIN_JSON, Form("wadl", (WADL, "application/xml"))),
                   (ACCEPT,), statuses=(200, 304, 400, 406), handler="capabilities")  # fmt: skip


def _searches() -> Iterator[Resource]:
    places = (
        (QueryLevel.STUDY, ("/studies",)),
        (QueryLevel.SERIES, ("/series", f"{STUDY}/series")),
        (QueryLevel.INSTANCE, ("/instances", f"{STUDY}/instances", f"{SERIES}/instances")),
    )
    for level, paths in places:
        known = {a.keyword: a for a in STANDARD.attributes if a.level <= level and a.column}
        keys = tuple(Parameter(a.keyword, _TEXT, f"{a.tag}, {a.vr}.") for a in known.values())
        for path in paths:
            yield Resource(f"Search for {level.name.title()}", "10.6", path, (JSON, XML), (ACCEPT, *PAGING, *keys),
                           statuses=(200, 304, 400, 406))  # fmt: skip


def _stores() -> Iterator[Resource]:
    for path in ("/studies", STUDY, "/instances"):
        yield Resource("Store Instances", "10.5", path, (JSON, STORED_XML), (), "POST", _STORED)


RETRIEVED = tuple(_rows())
"""Answered by the handlers of this package's retrieve modules."""
RESOURCES = (*RETRIEVED, *_searches(), *_stores())


class Match(NamedTuple):
    """A resource and the variables of its path."""

    resource: Resource
    given: dict[str, str]


_Piece = tuple[str, bool]


def _pieces(path: str) -> tuple[_Piece, ...]:
    return tuple((p.strip("{}"), p.startswith("{")) for p in path.strip("/").split("/"))


_SHAPES: dict[int, list[tuple[Resource, tuple[_Piece, ...]]]] = {}
_TAILS: list[tuple[Resource, tuple[_Piece, ...]]] = []
for _row in RETRIEVED:
    _shape = _pieces(_row.path)
    if _shape[-1][0].endswith("*"):
        _TAILS.append((_row, _shape))
    else:
        _SHAPES.setdefault(len(_shape), []).append((_row, _shape))


def find(path: str) -> Match | None:
    """The retrieved resource at ``path`` (below the root); literal names go before variables."""
    found = path.strip("/").split("/")
    for resource, shape in _SHAPES.get(len(found), ()):
        if all(variable or name == piece for (name, variable), piece in zip(shape, found, strict=True)):
            return Match(resource, {name: piece for (name, variable), piece in zip(shape, found, strict=True) if variable})
    for resource, shape in _TAILS:
        fixed = len(shape) - 1
        head = found[:fixed]
        if len(found) > fixed and all(v or n == p for (n, v), p in zip(shape[:fixed], head, strict=True)):
            given = {name: piece for (name, variable), piece in zip(shape[:fixed], head, strict=True) if variable}
            return Match(resource, {**given, shape[-1][0].rstrip("*"): "/".join(found[fixed:])})
    return None


def methods(path: str) -> tuple[str, ...]:
    """The methods of the resources at ``path``; empty when nothing is there."""
    found = path.strip("/").split("/")
    allowed: set[str] = set()
    for resource in RESOURCES:
        shape = _pieces(resource.path)
        if len(shape) == len(found) and all(v or n == p for (n, v), p in zip(shape, found, strict=True)):
            allowed.add(resource.method)
    if find(path):
        allowed.add("GET")
    order = ("GET", "HEAD", "POST", "DELETE", "OPTIONS")
    if "GET" in allowed:
        allowed.add("HEAD")
    return tuple(one for one in order if one in allowed or (allowed and one == "OPTIONS"))
