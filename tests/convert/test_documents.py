"""Documents say what they show and are told apart without unpacking."""

import gzip
import json

from pacs.convert.documents import join_lines, pack_document, relocate_uris, shown_by, split_lines, unpack_document
from pacs.domain.model import Shown

SHOWN = Shown("ab" * 32, 77)


def test_a_document_is_plain_gzip_and_names_its_state() -> None:
    data = pack_document(join_lines([b"{}", b'{"a":1}']), SHOWN)
    assert json.loads(gzip.decompress(data)) == [{}, {"a": 1}]
    assert shown_by(data) == SHOWN
    assert split_lines(unpack_document(data)) == [b"{}", b'{"a":1}']
    assert shown_by(gzip.compress(b"[]")) is None


def test_an_empty_document_has_no_lines() -> None:
    assert split_lines(join_lines([])) == []


def test_uris_move_and_text_that_looks_like_one_stays() -> None:
    line = b'{"x":{"BulkDataURI":"../../bulkdata/ab"},"y":"\\"BulkDataURI\\":\\"../../bulkdata/"}'
    moved = relocate_uris(line, "", "series/1/")
    assert moved == b'{"x":{"BulkDataURI":"bulkdata/ab"},"y":"\\"BulkDataURI\\":\\"../../bulkdata/"}'
