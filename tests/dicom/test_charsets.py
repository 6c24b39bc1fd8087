"""The text of every file of the character set samples, where it is written and in the order of the tags.

Where the expected text comes from: PS3.5 sections H.3.1, H.3.2 (Japanese), I.2 (Korean), Annex J (UTF-8 and GB 18030);
for the single-byte sets the code tables (ISO 8859) by hand; for what was made for the tests, the manifest.
"""

import json
from typing import Any

import pytest

from pacs.dicom.json import dataset_json
from pacs.dicom.reader import read
from tests.dicom.data import FILES, load

NAME, OTHER_NAMES, OPERATOR, HISTORY, SERIES = "00100010", "00101001", "00081070", "001021B0", "0008103E"
CODE_NAME = "00321064/0/00100010"
YAMADA = "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"

TEXTS: dict[str, dict[str, list[str]]] = {
    "chrArab": {NAME: ["قباني^لنزار"]},  # ISO 8859-6
    "chrFren": {NAME: ["Buc^Jérôme"]},  # ISO 8859-1
    "chrFrenMulti": {NAME: ["Buc^Jérôme"], OTHER_NAMES: ["Buc^Jérôme", "Buc^Jérôme"]},
    "chrGerm": {NAME: ["Äneas^Rüdiger"]},  # ISO 8859-1
    "chrGreek": {NAME: ["Διονυσιος"]},  # ISO 8859-7
    "chrH31": {NAME: ["Yamada^Tarou=山田^太郎=やまだ^たろう"]},  # PS3.5 H.3.1
    "chrH32": {NAME: [YAMADA]},  # PS3.5 H.3.2
    "chrHbrw": {NAME: ["שרון^דבורה"]},  # ISO 8859-8
    "chrI2": {NAME: ["Hong^Gildong=洪^吉洞=홍^길동"]},  # PS3.5 I.2
    # H.3.1 without its other component groups: JIS X 0208 from the first byte
    "chrJapMulti": {NAME: ["やまだ^たろう"], OTHER_NAMES: ["やまだ^たろう"] * 2, HISTORY: ["たろう"]},
    "chrJapMultiExplicitIR6": {NAME: ["やまだ^たろう"], OTHER_NAMES: ["やまだ^たろう"] * 2, HISTORY: ["たろう"]},
    # KS X 1001 rows 17, 40 and 33 (b1e8 c8f1 c1df)
    "chrKoreanMulti": {NAME: ["김희중"], OTHER_NAMES: ["김희중"] * 2, OPERATOR: ["김희중"], HISTORY: ["김희중"]},
    "chrRuss": {NAME: ["Люкceмбypг"]},  # ISO 8859-5; c, e and y are Latin letters in the file
    "chrSQEncoding": {CODE_NAME: [YAMADA]},  # the item's own character set
    "chrSQEncoding1": {CODE_NAME: [YAMADA]},  # the data set's character set holds in the item
    "chrX1": {NAME: ["Wang^XiaoDong=王^小東"]},  # PS3.5 Annex J
    "chrX2": {NAME: ["Wang^XiaoDong=王^小东"]},  # PS3.5 Annex J
    # bytes that are not what is declared: the text that the manifest says was meant
    "declared-utf8-is-latin1": {NAME: ["Müller^Jörg"]},
    "undeclared-utf8": {NAME: ["Müller^Jörg"]},
    "unknown-defined-term": {NAME: ["Smith^John"]},  # ASCII whatever the term is
}
ENTRIES = [entry for entry in FILES if entry["path"].startswith("charsets/")]


def _text(value: Any) -> str:
    if not isinstance(value, dict):
        return str(value)
    groups = [value.get(name, "") for name in ("Alphabetic", "Ideographic", "Phonetic")]
    return "=".join(groups).rstrip("=")


def _at(model: dict[str, Any], path: str) -> list[str]:
    tag, _, rest = path.partition("/")
    values = model[tag]["Value"]
    if rest:
        number, _, inner = rest.partition("/")
        return _at(values[int(number)], inner)
    return [_text(value) for value in values]


def test_there_are_28_of_them() -> None:
    assert len(ENTRIES) == 28


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["path"].rsplit("/", 1)[-1])
def test_the_text_is_what_was_meant(entry: dict[str, Any]) -> None:
    wanted = TEXTS.get(entry["path"].rsplit("/", 1)[-1].removesuffix(".dcm"))
    if wanted is None:
        wanted = {NAME: [entry["text"]["PatientName"]], SERIES: [entry["text"]["SeriesDescription"]]}
    model = json.loads(dataset_json(read(load(entry)), None))
    assert {path: _at(model, path) for path in wanted} == wanted
    assert model["00080005"]["Value"] == ["ISO_IR 192"]
