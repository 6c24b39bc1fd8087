"""Export: studies as a static site that any web server can serve, on canonical names."""

import gzip
from dataclasses import replace

from pacs.convert.describe import at_rest
from pacs.convert.documents import join_lines, relocate_uris, split_lines, unpack_document
from pacs.convert.records import Recorder
from pacs.dicom.syntax import syntax
from pacs.domain import layout
from pacs.domain.errors import NotFound, PacsError
from pacs.domain.model import FramePlace
from pacs.domain.ports import Repository, Storage
from pacs.domain.query import Query, QueryLevel
from pacs.services.open import Opener
from pacs.services.pictures import Pictures
from pacs.services.publish import Publisher


class Exporter:
    """Writes study trees to a storage of their own."""

    def __init__(self, repository: Repository, opener: Opener, publisher: Publisher, pictures: Pictures) -> None:
        self._repository, self._opener, self._publisher, self._pictures = repository, opener, publisher, pictures

    def export(self, studies: list[str], target: Storage) -> int:
        """Writes the studies and ``studies/index.json``; the number of instances written.  NotFound names the study."""
        count = sum(self._study(study, target) for study in studies)
        records = [self._records(Query(QueryLevel.STUDY, study=study, limit=1)) for study in studies]
        target.put("studies/index.json", _zipped(join_lines([line for lines in records for line in lines])))
        return count

    def _records(self, query: Query) -> list[bytes]:
        query = replace(query, include_all=True)
        return list(map(Recorder(query, None).record, self._repository.search(query).rows))

    def _study(self, study: str, target: Storage) -> int:
        if self._repository.shown(study) is None:
            raise NotFound(f"study {study}")
        count = 0
        everything: list[bytes] = []
        for series in self._repository.series_of(study):
            count += self._series(study, series, target, everything)
        target.put(layout.study_index(study), _zipped(join_lines(self._records(Query(QueryLevel.STUDY, study=study)))))
        target.put(layout.series_index(study), _zipped(join_lines(self._records(Query(QueryLevel.SERIES, study=study)))))
        target.put(f"{layout.study(study)}/metadata", _zipped(join_lines(everything)))
        self._thumbnail(layout.study_thumbnail(study), target, study)
        return count

    def _series(self, study: str, series: str, target: Storage, everything: list[bytes]) -> int:
        data, _ = self._publisher.series_metadata(study, series)
        lines = split_lines(unpack_document(data))
        target.put(layout.series_metadata(study, series), _zipped(join_lines(lines)))
        everything += [relocate_uris(line, "", f"series/{series}/") for line in lines]
        records = self._records(Query(QueryLevel.INSTANCE, study=study, series=series, limit=1_000_000))
        target.put(layout.instance_index(study, series), _zipped(join_lines(records)))
        self._thumbnail(layout.series_thumbnail(study, series), target, study, series)
        rows = self._repository.instances(study, series)
        for row, line in zip(rows, lines, strict=True):
            name = layout.instance(row.identity)
            target.put(f"{name}/metadata", _zipped(join_lines([relocate_uris(line, "../../../../", "../../")])))
            if row.frames.count:
                self._thumbnail(f"{name}/thumbnail", target, *row.identity)
            place = FramePlace(row.location, row.frames, row.transfer_syntax)
            for number in range(1, row.frames.count + 1):
                frame = self._opener.frame(place, number)
                target.put(layout.frame(name, number), _part(frame, place.transfer_syntax))
            for value in row.bulk:
                key = layout.bulk(study, value.sha256)
                if not target.exists(key):
                    target.put(key, b"".join(self._opener.bulk(study, value.sha256).pieces(0)))
        return len(rows)

    def _thumbnail(self, key: str, target: Storage, study: str, series: str | None = None, instance: str | None = None) -> None:
        """The picture of a study, series or instance; viewers ask for the last."""
        try:
            target.put(key, self._pictures.thumbnail(study, series, instance))
        except PacsError:
            return


def _zipped(body: bytes) -> bytes:
    return gzip.compress(body, 6, mtime=0)


def _part(frame: bytes, transfer_syntax: str) -> bytes:
    """The frame in its multipart wrapper: a plain web server cannot say the transfer syntax in a header."""
    uid = at_rest(transfer_syntax)
    head = f"--static-dicomweb\r\nContent-Type: {syntax(uid).media_type}; transfer-syntax={uid}\r\n\r\n"
    return b"".join((head.encode(), frame, b"\r\n--static-dicomweb--\r\n"))
