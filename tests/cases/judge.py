"""What an answer has to be: one function for each key of ``expect``.  A key without a function is an error."""

import gzip
import hashlib
import io
import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

import imagecodecs
import numpy as np
import pydicom

from tests.cases.world import PREFIX, Answer, World, values

PUBLIC = f"https://pacs.example/imaging{PREFIX}"
JSON_ERRORS = (ValueError, UnicodeDecodeError)
Problems = list[str]


class Seen(NamedTuple):
    """An answer, the whole expectation, and where to ask again."""

    answer: Answer
    expect: dict[str, Any]
    world: World
    ask: Callable[[], Answer]


class Missing(Exception):
    """A path that leads nowhere."""


def text_of(answer: Answer) -> bytes:
    """The body without its content coding."""
    return gzip.decompress(answer.body) if answer.headers.get("content-encoding") == "gzip" else answer.body


def parsed(answer: Answer) -> Any:
    """Strict JSON: no NaN, no Infinity, UTF-8."""

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is not JSON")

    return json.loads(text_of(answer).decode("utf-8"), parse_constant=refuse)


def look_up(body: Any, path: str) -> Any:
    """The value at a path of keys and indexes; Missing."""
    for step in path.strip("/").split("/"):
        try:
            body = body[int(step)] if isinstance(body, list) else body[step]
        except (KeyError, IndexError, TypeError, ValueError):
            raise Missing(path) from None
    return body


def media(value: str) -> str:
    return value.partition(";")[0].strip().lower()


def parts_of(answer: Answer) -> list[tuple[str, bytes]]:
    """Headers and body of each part of a multipart/related answer."""
    kind = answer.headers.get("content-type", "")
    found = re.search(r'boundary="?([^";]+)', kind)
    if media(kind) != "multipart/related" or not found:
        raise ValueError(f"not multipart/related: {kind!r}")
    pieces = (b"\r\n" + answer.body).split(b"\r\n--" + found[1].encode())
    if pieces[0] or pieces[-1].strip() != b"--" or not all(one.startswith(b"\r\n") for one in pieces[1:-1]):
        raise ValueError("the multipart body is not well formed")
    cut = [one[2:].partition(b"\r\n\r\n") for one in pieces[1:-1]]
    return [(head.decode("latin-1"), body) for head, _, body in cut]


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def same_bytes(data: bytes, wanted: dict[str, Any], pad: bool) -> bool:
    """Whether these are the wanted bytes, one pad byte more allowed."""
    return sha(data[: wanted["length"]]) == wanted["sha256"] and len(data) - wanted["length"] in ((0, 1) if pad else (0,))


def one_file(answer: Answer) -> pydicom.FileDataset:
    """The one DICOM file of an answer, single part or multipart."""
    if media(answer.headers.get("content-type", "")) == "application/dicom":
        body = answer.body
    else:
        ((head, body),) = parts_of(answer)
        if "application/dicom" not in head:
            raise ValueError(f"a part that is no DICOM file: {head}")
    return pydicom.dcmread(io.BytesIO(body))


def status(seen: Seen, wanted: list[int]) -> Problems:
    # The note of two steps widens their status: a malformed time may be refused.
    allowed = [*wanted, 400] if seen.expect.get("note", "").startswith("200 or 400") else wanted
    return [] if seen.answer.status in allowed else [f"status {seen.answer.status}, not {wanted}: {seen.answer.body[:200]!r}"]


def strict_json(seen: Seen, _: Any) -> Problems:
    try:
        parsed(seen.answer)
    except JSON_ERRORS as error:
        return [f"no strict JSON: {error}"]
    return []


def valid_utf8(seen: Seen, _: Any) -> Problems:
    text_of(seen.answer).decode("utf-8")
    return []


def json_tests(seen: Seen, tests: list[dict[str, Any]]) -> Problems:
    body = parsed(seen.answer)
    return [problem for test in tests for problem in json_test(body, dict(test))]


def json_test(body: Any, test: dict[str, Any]) -> Problems:
    path = test.pop("at")
    try:
        value, there = look_up(body, path), True
    except Missing:
        value, there = None, False
    # In any_of, null stands for an element (or its Value) that is not there, and elsewhere for JSON null.
    element = re.search(r"/[0-9A-F]{8}(/Value)?\Z", path) is not None
    right: dict[str, Callable[[Any], bool]] = {
        "equals": lambda wanted: there and value == wanted,
        "any_of": lambda wanted: value in wanted and there is not (element and value is None),
        "length": lambda wanted: there and len(value) == wanted,
        "exists": lambda wanted: there is wanted,
        "absent": lambda wanted: there is not wanted,
    }
    return [
        f"{path} is {value!r:.200} ({'there' if there else 'not there'}), wanted {name} {wanted!r:.200}"
        for name, wanted in test.items()
        if not right[name](wanted)
    ]


def count(seen: Seen, wanted: int) -> Problems:
    found = len(parsed(seen.answer))
    return [] if found == wanted else [f"{found} items, not {wanted}"]


def count_at_most(seen: Seen, most: int) -> Problems:
    found = len(parsed(seen.answer)) if seen.answer.status == 200 else 0
    return [] if found <= most else [f"{found} items, more than {most}"]


def distinct(seen: Seen, tag: str) -> Problems:
    found = [str(values(item, tag)) for item in parsed(seen.answer)]
    return [] if len(set(found)) == len(found) else [f"values of {tag} repeat"]


def fetched(seen: Seen, uri: str) -> bytes:
    """The bytes behind a BulkDataURI."""
    if seen.expect.get("resolve") == "relative, or starting with the configured public root":
        if urlsplit(uri).scheme and not uri.startswith(PUBLIC + "/"):
            raise ValueError(f"{uri} is not below {PUBLIC}")
        uri = uri.replace(PUBLIC, f"http://inner{PREFIX}", 1)
    path = urlsplit(urljoin(f"http://inner{PREFIX}{seen.answer.url}", uri)).path
    got = seen.world.ask("GET", path.removeprefix(PREFIX), [("Accept", "application/octet-stream")])
    if got.status != 200:
        raise ValueError(f"{uri} answers {got.status}")
    return got.body


def binary(seen: Seen, wanted: list[dict[str, Any]]) -> Problems:
    found = []
    for one in wanted:
        element = look_up(parsed(seen.answer), one["at"])
        data = fetched(seen, element["BulkDataURI"])
        if not same_bytes(data, one, pad=False):
            found.append(f"{one['at']}: other bytes ({len(data)})")
    return found


def text_or_bulk(seen: Seen, wanted: list[dict[str, Any]]) -> Problems:
    found = []
    for one in wanted:
        element = look_up(parsed(seen.answer), one["at"])
        text = fetched(seen, element["BulkDataURI"]).decode() if "BulkDataURI" in element else element["Value"][0]
        if text != one["equals"]:
            found.append(f"{one['at']}: other text: {text[:40]!r}")
    return found


def parts(seen: Seen, wanted: list[dict[str, Any]]) -> Problems:
    found = parts_of(seen.answer)
    if len(found) != len(wanted):
        return [f"{len(found)} parts, not {len(wanted)}"]
    pairs = enumerate(zip(found, wanted, strict=True), 1)
    return [f"part {n}: other bytes ({len(body)}; {head})" for n, ((head, body), one) in pairs if not same_bytes(body, one, True)]


def part_count(seen: Seen, wanted: int) -> Problems:
    found = len(parts_of(seen.answer))
    return [] if found == wanted else [f"{found} parts, not {wanted}"]


def part_headers_not_contain(seen: Seen, unwanted: list[str]) -> Problems:
    heads = [f"{head};" for head, _ in parts_of(seen.answer)]
    return [f"{text} in {head}" for text in unwanted for head in heads if f"{text};" in head or f'{text}"' in head]


def body(seen: Seen, wanted: dict[str, Any]) -> Problems:
    right = same_bytes(seen.answer.body, wanted, wanted.get("pad_byte_allowed", False))
    return [] if right else [f"other bytes ({len(seen.answer.body)}, not {wanted['length']})"]


def body_length(seen: Seen, wanted: int) -> Problems:
    return [] if len(seen.answer.body) == wanted else [f"body of {len(seen.answer.body)} bytes, not {wanted}"]


def body_equals_json(seen: Seen, wanted: Any) -> Problems:
    return [] if parsed(seen.answer) == wanted else [f"body {seen.answer.body[:100]!r}"]


def body_not_contains(seen: Seen, unwanted: list[str]) -> Problems:
    return [f"{text!r} in the body" for text in unwanted if text.encode() in text_of(seen.answer)]


def body_not_matches(seen: Seen, unwanted: list[str]) -> Problems:
    return [f"the body matches {pattern}" for pattern in unwanted if re.search(pattern.encode(), text_of(seen.answer))]


def content_type(seen: Seen, wanted: list[str]) -> Problems:
    found = media(seen.answer.headers.get("content-type", ""))
    return [] if found in wanted else [f"Content-Type {found}, not {wanted}"]


def headers_present(seen: Seen, wanted: dict[str, list[str] | None]) -> Problems:
    found = {name: seen.answer.headers.get(name.lower()) for name in wanted}
    return [f"{name}: {found[name]}" for name, ok in wanted.items() if found[name] is None or (ok and found[name] not in ok)]


def headers_absent(seen: Seen, unwanted: list[str]) -> Problems:
    return [f"{name} is there" for name in unwanted if name.lower() in seen.answer.headers]


def headers_not(seen: Seen, unwanted: dict[str, str]) -> Problems:
    return [f"{name} holds {text}" for name, text in unwanted.items() if text in seen.answer.headers.get(name.lower(), "")]


def headers_consistent(seen: Seen, wanted: str) -> Problems:
    assert wanted == "Content-Encoding gzip, or a plain body without it; Vary has Accept-Encoding"
    coded, packed = seen.answer.headers.get("content-encoding"), seen.answer.body.startswith(b"\x1f\x8b")
    right = coded == "gzip" if packed else coded is None
    varies = "accept-encoding" in seen.answer.headers.get("vary", "").lower()
    return [] if right and varies else [f"Content-Encoding {coded}, gzip bytes {packed}, Vary {seen.answer.headers.get('vary')}"]


def dicom(seen: Seen, wanted: dict[str, str]) -> Problems:
    found = one_file(seen.answer)
    got = {"TransferSyntaxUID": str(found.file_meta.TransferSyntaxUID), "pixel_data_sha256": sha(found.PixelData)}
    return [f"{name}: {got[name]}, not {value}" for name, value in wanted.items() if got[name] != value]


def raw_element(seen: Seen, wanted: dict[str, str]) -> Problems:
    element: Any = one_file(seen.answer).get_item(int(wanted["tag"], 16))
    return [] if element.value.hex() == wanted["hex"] else [f"{wanted['tag']} holds {element.value.hex()}"]


def one_of_sha256(seen: Seen, wanted: list[str]) -> Problems:
    if seen.answer.status != 200:
        return []
    return [] if [sha(body) in wanted for _, body in parts_of(seen.answer)] == [True] else ["other bytes"]


def one_of(seen: Seen, wanted: list[str]) -> Problems:
    assert wanted == ["single part", "multipart"]
    multipart = media(seen.answer.headers.get("content-type", "")) == "multipart/related"
    data = parts_of(seen.answer)[0][1] if multipart else seen.answer.body
    return [] if data else ["no bytes"]


def image(seen: Seen, wanted: dict[str, Any]) -> Problems:
    picture = np.asarray(imagecodecs.imread(io.BytesIO(seen.answer.body))).astype(float)
    picture = picture if picture.ndim == 3 else np.repeat(picture[:, :, None], 3, axis=2)
    height, width, _ = picture.shape
    quarter = max(width // 4, 1)
    tolerance = wanted.get("tolerance", 0)

    def column_right(place: str, colour: list[int]) -> bool:
        got = picture[:, int(float(place) * width)].mean(axis=0)
        return bool((abs(got - colour) <= tolerance).all())

    right: dict[str, Callable[[Any], bool]] = {
        "left_quarter_mean_above": lambda limit: bool(picture[:, :quarter].mean() > limit),
        "right_quarter_mean_below": lambda limit: bool(picture[:, -quarter:].mean() < limit),
        "width_at_most": lambda most: width <= most,
        "height_at_most": lambda most: height <= most,
        "aspect": lambda ratio: abs(width / height - ratio) < 0.05,
        "columns_rgb": lambda columns: all(column_right(place, colour) for place, colour in columns.items()),
        "tolerance": lambda _: True,
    }
    return [f"picture of {width} x {height}: not {name} {value}" for name, value in wanted.items() if not right[name](value)]


def stored(seen: Seen, wanted: int) -> Problems:
    found = len(values(parsed(seen.answer), "00081199"))
    return [] if found == wanted else [f"{found} stored, not {wanted}"]


def failed(seen: Seen, wanted: int) -> Problems:
    found = len(values(parsed(seen.answer), "00081198"))
    return [] if found == wanted else [f"{found} failed, not {wanted}"]


def repeat(seen: Seen, times: int) -> Problems:
    again = [seen.ask() for _ in range(times)]
    same = all((one.status, one.body) == (seen.answer.status, seen.answer.body) for one in again)
    return [] if same or not seen.expect["same_answer"] else ["another answer to the same question"]


def note(seen: Seen, text: str) -> Problems:
    """The notes of ``http`` steps that say more than their keys do; the others are of :func:`status` or for humans."""
    if text.startswith("200 with a Warning header that names the ignored key, or 400"):
        named = "UnknownAttribute" in seen.answer.headers.get("warning", "")
        return [] if seen.answer.status == 400 or named else ["a key was ignored in silence"]
    assert text in ("200 or 400, not 500", "a shorter time means the whole minute"), text
    return []


def settled_elsewhere(seen: Seen, _: Any) -> Problems:
    """Keys that another key or the runner reads."""
    return []


CHECKS: dict[str, Callable[[Seen, Any], Problems]] = {
    "status": status, "strict_json": strict_json, "valid_utf8": valid_utf8, "json": json_tests, "count": count,
    "count_at_most": count_at_most, "distinct": distinct, "binary": binary, "text_or_bulk": text_or_bulk, "parts": parts,
    "part_count": part_count, "part_headers_not_contain": part_headers_not_contain, "body": body, "body_length": body_length,
    "body_equals_json": body_equals_json, "body_not_contains": body_not_contains, "body_not_matches": body_not_matches,
    "content_type": content_type, "headers_present": headers_present, "headers_absent": headers_absent,
    "headers_not": headers_not, "headers_consistent": headers_consistent, "dicom": dicom, "raw_element": raw_element,
    "one_of_sha256": one_of_sha256, "one_of": one_of, "image": image, "stored": stored, "failed": failed, "repeat": repeat,
    "note": note, "same_answer": settled_elsewhere, "resolve": settled_elsewhere, "send": settled_elsewhere,
    "remember_etag": settled_elsewhere, "remember_uri": settled_elsewhere,
    "storage_reads_at_most": settled_elsewhere, "database_queries_at_most": settled_elsewhere,
}  # fmt: skip


def judge(seen: Seen) -> Problems:
    """Everything that is wrong with an answer."""
    found = ["a traceback in the answer"] if b"Traceback (most recent call last)" in seen.answer.body else []
    if seen.answer.status >= 500 and seen.answer.status not in seen.expect["status"]:
        found.append("a server error")
    for key, wanted in seen.expect.items():
        try:
            found += CHECKS[key](seen, wanted)
        except (ValueError, Missing, TypeError, AttributeError, KeyError) as error:
            if key not in CHECKS:
                raise
            found.append(f"{key}: {type(error).__name__}: {error}")
    return found
