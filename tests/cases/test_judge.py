"""The judge of the cases: for each key an answer that is right and one that is wrong."""

import gzip
import hashlib
import json
from typing import Any

import imagecodecs
import numpy as np
import pytest

from tests.cases.judge import Seen, json_test, judge
from tests.cases.world import Answer, World

FORM = "Content-Encoding gzip, or a plain body without it; Vary has Accept-Encoding"
NAMED = "200 with a Warning header that names the ignored key, or 400; never all studies without a word"


def of(data: bytes) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(data).hexdigest(), "length": len(data)}


def as_json(value: Any) -> Answer:
    return Answer("/studies", 200, {"content-type": "application/dicom+json"}, json.dumps(value).encode())


def multipart(*bodies: bytes, head: str = "Content-Type: a/b") -> Answer:
    text = b"".join(b"\r\n--B\r\n" + head.encode() + b"\r\n\r\n" + body for body in bodies) + b"\r\n--B--\r\n"
    return Answer("/x", 200, {"content-type": 'multipart/related; type="a/b"; boundary=B'}, text[2:])


def having(body: bytes = b"", status: int = 200, **headers: str) -> Answer:
    return Answer("/x", status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def picture(left: int, right: int) -> Answer:
    pixels = np.repeat(np.array([[left, right]], np.uint8), 8, axis=1).repeat(8, axis=0)
    return having(imagecodecs.png_encode(pixels))


def items(*uids: str) -> list[dict[str, Any]]:
    return [{"00080018": {"vr": "UI", "Value": [uid]}} for uid in uids]


@pytest.mark.parametrize(
    ("key", "wanted", "right", "wrong"),
    [
        ("status", [200, 404], having(status=404), having(status=400)),
        ("strict_json", True, having(b'{"a": 1}'), having(b"[NaN]")),
        ("valid_utf8", True, having("é".encode()), having("é".encode("latin-1"))),
        ("json", [{"at": "/0/a", "equals": 1}], as_json([{"a": 1}]), as_json([{"a": 2}])),
        ("count", 2, as_json([1, 2]), as_json([1])),
        ("count_at_most", 1, as_json([1]), as_json([1, 2])),
        ("distinct", "00080018", as_json(items("1", "2")), as_json(items("1", "1"))),
        ("text_or_bulk", [{"at": "/0/a", "equals": "x"}], as_json([{"a": {"Value": ["x"]}}]), as_json([{"a": {"Value": ["y"]}}])),
        ("parts", [of(b"one"), of(b"two")], multipart(b"one\0", b"two"), multipart(b"two", b"one")),
        ("parts", [of(b"one")], multipart(b"one"), having(b"one")),
        ("part_count", 1, multipart(b"one"), multipart(b"one", b"two")),
        ("part_headers_not_contain", ["1.2"], multipart(b"", head="X: 1.2.1"), multipart(b"", head="X: 1.2")),
        ("body", of(b"abc"), having(b"abc"), having(b"abc\0")),
        ("body", {**of(b"abc"), "pad_byte_allowed": True}, having(b"abc\0"), having(b"abc\0\0")),
        ("body_length", 0, having(b""), having(b"x")),
        ("body_equals_json", [], having(b"[]"), having(b"")),
        ("body_not_contains", ["inner"], having(b"outer"), having(gzip.compress(b"inner"), content_encoding="gzip")),
        ("body_not_matches", ["[:,]NaN"], having(b'"NaN"'), having(b"1,NaN")),
        ("content_type", ["a/b"], having(content_type="A/B; c=d"), having(content_type="a/bc")),
        ("headers_present", {"ETag": None, "X": ["1", "2"]}, having(etag="t", x="2"), having(etag="t", x="3")),
        ("headers_present", {"ETag": None}, having(etag="t"), having()),
        ("headers_absent", ["ETag"], having(), having(etag="t")),
        ("headers_not", {"Cache-Control": "immutable"}, having(cache_control="no-cache"), having(cache_control="a, immutable")),
        ("headers_consistent", FORM, having(b"[]", vary="Accept-Encoding"), having(b"\x1f\x8b", vary="Accept-Encoding")),
        ("headers_consistent", FORM, having(b"[]", vary="Accept, Accept-Encoding"), having(b"[]", vary="Accept")),
        ("one_of_sha256", [of(b"x")["sha256"]], multipart(b"x"), multipart(b"y")),
        ("one_of", ["single part", "multipart"], having(b"x", content_type="a/b"), having(b"", content_type="a/b")),
        ("image", {"left_quarter_mean_above": 192, "right_quarter_mean_below": 64}, picture(255, 0), picture(0, 255)),
        ("image", {"columns_rgb": {"0.2": [9, 9, 9]}, "tolerance": 5}, picture(12, 0), picture(20, 0)),
        ("image", {"width_at_most": 16, "height_at_most": 8, "aspect": 2.0}, picture(1, 1), having(b"not a picture")),
        ("stored", 1, as_json({"00081199": {"Value": [{}]}}), as_json({})),
        ("failed", 0, as_json({}), as_json({"00081198": {"Value": [{}]}})),
        ("note", NAMED, having(warning='299 - "UnknownAttribute"'), having()),
    ],
)
def test_each_key(key: str, wanted: Any, right: Answer, wrong: Answer, world: World) -> None:
    def seen(answer: Answer) -> Seen:
        return Seen(answer, {key: wanted}, world, lambda: answer)

    assert judge(seen(right)) == []
    assert judge(seen(wrong)) != []


@pytest.mark.parametrize(
    ("value", "test", "right"),
    [
        ([{"00100010": {"vr": "PN"}}], {"at": "/0/00100010", "any_of": [None, {"vr": "PN"}]}, True),
        ([{}], {"at": "/0/00100010", "any_of": [None, {"vr": "PN"}]}, True),
        ([{"00100010": None}], {"at": "/0/00100010", "any_of": [None]}, False),
        ([{}], {"at": "/0/00100010", "any_of": [{"vr": "PN"}]}, False),
        ([{"a": [None]}], {"at": "/0/a/0", "any_of": ["NaN", None]}, True),
        ([{"a": []}], {"at": "/0/a/0", "any_of": ["NaN", None]}, False),
        ([{"a": [1]}], {"at": "/0/a", "length": 1}, True),
        ([{}], {"at": "/0/a", "length": 0}, False),
        ([{"a": 1}], {"at": "/0/a", "exists": True}, True),
        ([{"a": 1}], {"at": "/0/a", "absent": True}, False),
        ([{}], {"at": "/0/a", "equals": None}, False),
    ],
)
def test_json(value: Any, test: dict[str, Any], right: bool) -> None:
    assert (json_test(value, dict(test)) == []) is right


@pytest.mark.parametrize("answer", [having(status=500), having(b"Traceback (most recent call last)")])
def test_a_server_error_and_a_traceback_are_wrong_whatever_is_asked(answer: Answer, world: World) -> None:
    assert judge(Seen(answer, {"status": [200]}, world, lambda: answer)) != []


def test_an_unknown_key_is_an_error(world: World) -> None:
    with pytest.raises(KeyError):
        judge(Seen(having(), {"nonsense": 1}, world, having))


@pytest.fixture
def world() -> World:
    """A world nobody asks."""
    return World.__new__(World)
