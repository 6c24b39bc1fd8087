"""Thumbnails and rendered frames of what is stored (PS3.18 10.4.1.1.3, 10.4.1.1.4)."""

import io
from collections.abc import Iterator
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from pacs.bootstrap import Services, assemble
from pacs.config import load
from pacs.domain.errors import BadRequest, NotFound, RenderFailed
from pacs.domain.model import Identity, RenderOptions

DATA = Path(__file__).parent.parent / "data"
CT = DATA / "transfer-syntaxes" / "ct-15-syntaxes"
FILES = {
    "nm": "studies/nm-multiframe/NM-MONO2-16-13x-heart",
    "us": "studies/us-colour-multiframe/examples_ybr_color.dcm",
    "sr": "studies/sr-basic/test-SR.dcm",
    "pdf": "studies/made-documents/encapsulated-pdf.dcm",
    "video": "transfer-syntaxes/made/video-h264-102.dcm",
    "mpeg2": "transfer-syntaxes/made/video-mpeg2-100.dcm",
    "bad": "transfer-syntaxes/pydicom/JPEG2000-embedded-sequence-delimiter.dcm",
}
SAME = ("LittleEndianImplicit", "BigEndianExplicit", "Deflated", "JPEG2000LosslessOnly", "RLELossless", "JPEGLSLossless")
PNG = RenderOptions(media="image/png")
GIF = RenderOptions(media="image/gif")


def put(services: Services, path: Path) -> Identity:
    part = services.store.begin()
    part.write(path.read_bytes())
    outcome = services.store.received([part], "test")[0]
    assert outcome.identity is not None, outcome.reason
    return outcome.identity


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    services = assemble(load(None, {"staticWadoConfig.rootDir": str(tmp_path_factory.mktemp("root") / "root")}))
    yield services
    services.close()


@pytest.fixture(scope="module")
def stored(services: Services) -> dict[str, Identity]:
    return {name: put(services, DATA / path) for name, path in FILES.items()}


def opened(picture: bytes) -> Image.Image:
    return Image.open(io.BytesIO(picture))


def points(picture: bytes) -> np.ndarray:
    return np.asarray(imagecodecs.png_decode(picture))


def test_one_image_whatever_its_encoding(services: Services) -> None:
    """Byte order, deflation and lossless compression change nothing that is seen."""
    seen = [services.pictures.rendered(put(services, next(CT.glob(f"*{name}*"))), None, PNG)[0] for name in SAME]
    assert len(set(seen)) == 1
    assert np.ptp(points(seen[0])) > 200


def test_frames_and_cine(services: Services, stored: dict[str, Identity]) -> None:
    first, last, middle = (services.pictures.rendered(stored["nm"], n, PNG)[0] for n in (1, 13, None))
    assert len({first, last, middle}) == 3
    assert middle == services.pictures.rendered(stored["nm"], 7, PNG)[0]
    cine, media = services.pictures.rendered(stored["nm"], None, GIF)
    assert media == "image/gif"
    with opened(cine) as image:
        assert (image.n_frames, image.size, image.info["loop"]) == (13, (64, 64), 0)
    single, _ = services.pictures.rendered(stored["nm"], 2, GIF)
    assert getattr(opened(single), "n_frames", 1) == 1
    with pytest.raises(NotFound, match="frame 14"):
        services.pictures.rendered(stored["nm"], 14, PNG)


def test_cine_has_the_time_of_the_object(services: Services, stored: dict[str, Identity]) -> None:
    small = RenderOptions((80, 80, None, None, None, None), media="image/gif")
    with opened(services.pictures.rendered(stored["us"], None, small)[0]) as image:
        assert image.n_frames == 30
        assert image.info["duration"] == 30  # a FrameTime of 33.333 ms, in hundredths of a second


def test_options_reach_the_picture(services: Services, stored: dict[str, Identity]) -> None:
    def drawn(options: RenderOptions) -> np.ndarray:
        return points(services.pictures.rendered(stored["nm"], 1, options)[0])

    whole = drawn(PNG)
    part = drawn(RenderOptions((64, 64, 10.0, 20.0, -30.0, 40.0), media="image/png"))
    assert np.array_equal(part, whole[20:60, 10:40][:, ::-1])
    assert drawn(RenderOptions(window=(60000.0, 10.0, "linear"), media="image/png")).max() == 0
    assert not np.array_equal(drawn(RenderOptions(annotation=("patient", "technique"), media="image/png")), whole)
    with pytest.raises(BadRequest):
        drawn(RenderOptions((9, 9, 64.0, 0.0, 1.0, 1.0)))


def test_documents_and_videos_pass_through(services: Services, stored: dict[str, Identity]) -> None:
    document, media = services.pictures.rendered(stored["pdf"], None, RenderOptions())
    assert media == "application/pdf" and document.startswith(b"%PDF")
    film, media = services.pictures.rendered(stored["video"], None, RenderOptions())
    assert media == "video/mp4" and film[4:8] == b"ftyp"
    assert services.pictures.rendered(stored["mpeg2"], None, RenderOptions())[1] == "video/mpeg"


@pytest.mark.parametrize("name", ["sr", "pdf", "video"])
def test_what_has_no_pixels_has_a_card(services: Services, stored: dict[str, Identity], name: str) -> None:
    study, series, instance = stored[name]
    for made in (
        services.pictures.thumbnail(study, series, instance, viewport=(120, 90)),
        services.pictures.thumbnail(study, series, viewport=(120, 90)),
    ):
        assert opened(made).size == (120, 90) and opened(made).format == "JPEG"
    services.pictures.publish(study)
    assert opened(services.pictures.thumbnail(study, series)).size == (256, 256)


def test_what_cannot_be_drawn_is_said(services: Services, stored: dict[str, Identity]) -> None:
    for name in ("sr", "bad"):
        with pytest.raises(RenderFailed):
            services.pictures.rendered(stored[name], None, RenderOptions())
    with pytest.raises(RenderFailed, match="header says"):
        services.pictures.thumbnail(*stored["bad"])
    with pytest.raises(NotFound):
        services.pictures.thumbnail("1.2.3")
