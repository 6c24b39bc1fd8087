"""Transcoding of what is stored, received or shelved (PS3.18 8.7.3)."""

import io
import threading
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileMetaDataset
from pydicom.pixels import pixel_array

from pacs.bootstrap import Services, assemble
from pacs.config import load
from pacs.convert.encode import HTJ2K_RPCL, JPEG_BASELINE, JPEG_LS, LOSSLESS
from pacs.dicom.syntax import DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, SYNTAXES
from pacs.domain.errors import NotAcceptable, NotFound, RenderFailed
from pacs.domain.model import Identity, Instance
from pacs.services.once import Once

DATA = Path(__file__).parent.parent / "data"
FILES = {
    "ct": "transfer-syntaxes/ct-15-syntaxes/CTImage.dcm_BigEndianExplicitTransferSyntax_1.2.840.10008.1.2.2.dcm",
    "palette": "studies/us-palette/examples_palette.dcm",
    "nm": "studies/nm-multiframe/NM-MONO2-16-13x-heart",
    "bits": "studies/ct-liver-seg/liver_nonbyte_aligned.dcm",
    "sr": "studies/sr-basic/test-SR.dcm",
    "video": "transfer-syntaxes/made/video-h264-102.dcm",
    "wsi": "studies/made-wsi-pyramid",
    "big": "studies/rt-plan-dose/rtdose_expb.dcm",
    "deflated": "transfer-syntaxes/pydicom/image_dfl.dcm",
}


Stored = tuple[Services, dict[str, Identity]]


def put(services: Services, data: bytes) -> Identity:
    part = services.store.begin()
    part.write(data)
    outcome = services.store.received([part], "test")[0]
    assert outcome.identity is not None, outcome.reason
    return outcome.identity


def file_of(name: str) -> bytes:
    path = DATA / FILES[name]
    return (path if path.is_file() else sorted(path.rglob("*.dcm"))[0]).read_bytes()


@pytest.fixture(scope="module", params=["received", "shelved"])
def stored(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    root = tmp_path_factory.mktemp("root") / "root"
    services = assemble(load(None, {"staticWadoConfig.rootDir": str(root), "staticWadoConfig.packFramesOver": 4}))
    identities = {name: put(services, file_of(name)) for name in FILES}
    while request.param == "shelved" and services.settler.settle():
        pass
    yield services, identities
    services.close()


def row_of(services: Services, identity: Identity) -> Instance:
    row = services.repository.instance(identity)
    assert row is not None
    return row


def pixels(data: bytes, **options: Any) -> Any:
    return pixel_array(pydicom.dcmread(io.BytesIO(data)), **options)


@pytest.mark.parametrize("name", [name for name in FILES if name not in ("sr", "video", "bits")])
@pytest.mark.parametrize("target", [EXPLICIT_LITTLE, HTJ2K_RPCL, JPEG_LS, "1.2.840.10008.1.2.5", IMPLICIT_LITTLE, DEFLATED])
def test_files(stored: Stored, name: str, target: str) -> None:
    services, identities = stored
    row = row_of(services, identities[name])
    source = file_of(name)
    try:
        out = b"".join(map(bytes, services.transcoder.file(row, target)))
    except NotAcceptable as refusal:
        assert "32 bits allocated" in str(refusal) and name == "big"
        return
    before, after = pydicom.dcmread(io.BytesIO(source)), pydicom.dcmread(io.BytesIO(out))
    assert after.file_meta.TransferSyntaxUID == target
    assert (after.get("PatientName"), after.SOPInstanceUID) == (before.get("PatientName"), before.SOPInstanceUID)
    raw = before.PhotometricInterpretation == "RGB" or before.SamplesPerPixel == 1
    off = np.abs(pixels(out, raw=raw).astype(float) - pixels(source, raw=raw))
    assert off.max() <= (3 if name == "wsi" else 0)  # decoders of lossy JPEG round in their own ways


def test_as_stored_is_byte_for_byte(stored: Stored) -> None:
    services, identities = stored
    for name, identity in identities.items():
        row = row_of(services, identity)
        assert b"".join(map(bytes, services.transcoder.file(row, row.transfer_syntax))) == file_of(name)


@pytest.mark.parametrize("target", [EXPLICIT_LITTLE, "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.8.1"])
def test_bits_that_share_bytes(stored: Stored, target: str) -> None:
    services, identities = stored
    row = row_of(services, identities["bits"])
    out = b"".join(map(bytes, services.transcoder.file(row, target)))
    if target == EXPLICIT_LITTLE:
        assert np.array_equal(pixels(out), pixels(file_of("bits")))
    identity = put(services, out)
    for number in (1, row.frames.count):
        assert services.transcoder.frame(identity, number, EXPLICIT_LITTLE) == services.transcoder.frame(
            identities["bits"], number, EXPLICIT_LITTLE
        )


def test_frames(stored: Stored) -> None:
    services, identities = stored
    source = pixels(file_of("nm"))
    for number in (1, 13):
        native = services.transcoder.frame(identities["nm"], number, EXPLICIT_LITTLE)
        assert np.array_equal(np.frombuffer(native, "<u2").reshape(64, 64), source[number - 1])
        assert services.transcoder.frame(identities["nm"], number, IMPLICIT_LITTLE) == native
        assert services.transcoder.frame(identities["nm"], number, HTJ2K_RPCL)[:4] == b"\xff\x4f\xff\x51"
    with pytest.raises(NotFound, match="frame 14"):
        services.transcoder.frame(identities["nm"], 14, HTJ2K_RPCL)
    with pytest.raises(NotFound, match="instance"):
        services.transcoder.frame(Identity("1.2", "1.3", "1.4"), 1, HTJ2K_RPCL)


def test_refusals_come_before_the_first_byte(stored: Stored) -> None:
    services, identities = stored
    pairs = [("sr", JPEG_LS), ("bits", JPEG_LS), ("video", EXPLICIT_LITTLE), ("ct", JPEG_BASELINE), ("ct", "1.2.3")]
    for name, target in pairs:
        row = row_of(services, identities[name])
        with pytest.raises(NotAcceptable):
            services.transcoder.file(row, target)
    report = services.transcoder.file(row_of(services, identities["sr"]), IMPLICIT_LITTLE)
    assert b"".join(map(bytes, report))[128:132] == b"DICM"


def test_a_damaged_frame_is_told_before_the_first_byte(stored: Stored) -> None:
    services, identities = stored
    good = services.transcoder.file(row_of(services, identities["palette"]), JPEG_LS)
    damaged = pydicom.dcmread(io.BytesIO(b"".join(map(bytes, good))))
    damaged.SOPInstanceUID = "2.25.77"
    damaged.PixelData = damaged.PixelData[:16] + bytes(len(damaged.PixelData) - 16)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = damaged.file_meta.TransferSyntaxUID
    damaged.file_meta = meta
    out = io.BytesIO()
    damaged.save_as(out, enforce_file_format=True)
    identity = put(services, out.getvalue())
    with pytest.raises(RenderFailed):
        services.transcoder.file(row_of(services, identity), EXPLICIT_LITTLE)
    with pytest.raises(RenderFailed):
        services.transcoder.frame(identity, 1, EXPLICIT_LITTLE)


@pytest.mark.parametrize("uid", sorted(SYNTAXES))
def test_targets(stored: Stored, uid: str) -> None:
    """The stored one first, Explicit LE next; nothing lossy unless it is stored so, nothing at all of video and JPIP."""
    transcoder = stored[0].transcoder
    found, named = transcoder.targets(uid), transcoder.by_name(uid)
    assert found[0] == uid and not set(found) & set(named)
    if SYNTAXES[uid].media_type.startswith("video/") or "JPIP" in SYNTAXES[uid].name:
        assert (found, named) == ((uid,), ())
    elif len(found) > 1:
        assert EXPLICIT_LITTLE in found[:2] and set(LOSSLESS) <= set(found) and EXPLICIT_BIG not in found[1:]
        assert not any(SYNTAXES[one].lossy for one in found[1:])
    assert transcoder.targets("1.2.3.4") == ("1.2.3.4",)


def test_one_conversion_for_all_who_wait() -> None:
    made, gate = [], threading.Event()

    def make() -> bytes:
        made.append(1)
        gate.wait(10)
        return b"value"

    once = Once[bytes](1 << 20, len)
    with ThreadPoolExecutor(8) as threads:
        waiting = [threads.submit(once.get, "key", make) for _ in range(8)]
        while not made:
            time.sleep(0.001)
        gate.set()
        assert {one.result() for one in waiting} == {b"value"}
    assert once.get("key", make) == b"value"
    assert len(made) == 1


def test_a_failure_is_told_and_not_kept() -> None:
    once = Once[bytes](1 << 20, len)

    def fail() -> bytes:
        raise RenderFailed("no")

    with pytest.raises(RenderFailed):
        once.get("key", fail)
    assert once.get("key", lambda: b"now") == b"now"


def test_the_cache_is_bounded_and_drops_the_oldest() -> None:
    once = Once[bytes](100, len)
    for key in range(5):
        once.get(key, lambda: bytes(25))
    assert once.get(4, lambda: b"again") == bytes(25)
    assert once.get(0, lambda: b"again") == b"again"
    once.get("large", lambda: bytes(90))
    assert once.get("large", lambda: b"again") == b"again"


@pytest.mark.parametrize("target", ["1.2.840.10008.1.2.5", DEFLATED])
def test_a_file_takes_the_memory_of_a_few_frames(tmp_path: Path, target: str) -> None:
    """40 frames of 512 kB: never more than a few of them at once, whatever the size of the object."""
    data = pydicom.dcmread(DATA / FILES["palette"])
    data.Rows, data.Columns, data.NumberOfFrames, data.SOPInstanceUID = 512, 1024, 40, "2.25.78"
    data.PixelData = np.random.default_rng(1).integers(0, 255, 40 << 19).astype("u1").tobytes()
    out = io.BytesIO()
    data.save_as(out, enforce_file_format=True)
    settings = {"staticWadoConfig.rootDir": str(tmp_path / "root"), "dicomWebServerConfig.transcodeCacheBytes": 0}
    services = assemble(load(None, settings))
    row = row_of(services, put(services, out.getvalue()))
    while services.settler.settle():
        pass
    row = row_of(services, row.identity)
    del out, data
    services.transcoder.frame(row.identity, 1, JPEG_LS)  # the worker is there
    tracemalloc.start()
    size = sum(len(piece) for piece in services.transcoder.file(row, target))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    services.close()
    assert size > 15 << 20
    assert peak < 6 << 20
