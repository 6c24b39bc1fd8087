"""Each kind of query is answered from an index on SQLite; nothing reads all rows of a table."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pacs.dicomweb.qido import Limits, parse
from pacs.dicomweb.requests import pairs
from pacs.dicomweb.search import match
from pacs.domain.query import Query
from pacs.repository import SqlRepository, make_engine
from pacs.repository.forms import shape_of
from pacs.repository.migrate import prepare
from pacs.repository.search import bound_of
from pacs.repository.statement import statements


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlRepository]:
    path: Path = tmp_path_factory.mktemp("plans") / "index.db"
    prepare(f"sqlite:///{path}")
    repository = SqlRepository(make_engine(f"sqlite:///{path}"))
    yield repository
    repository.close()


def _query(path: str) -> Query:
    place, _, text = path.partition("?")
    target = match(place, "")
    assert target is not None
    return parse(pairs(text.encode()), target.level, target.study, target.series, Limits()).query


def _plans(repository: SqlRepository, query: Query) -> Iterator[str]:
    found = statements(shape_of(query)[0], "sqlite")
    for statement in (found.page, found.total):
        rows = repository._reader().connection.execute("EXPLAIN QUERY PLAN " + statement.sql, statement.bind(bound_of(query)))
        yield from (str(row[3]) for row in rows)


@pytest.mark.parametrize(
    ("path", "index"),
    [
        ("/studies?PatientID=1", "study_by_patient_id (patient_id=?)"),
        ("/studies?PatientName=a*", "COVERING INDEX study_by_patient_name (patient_name>? AND patient_name<?)"),
        ("/studies?PatientName=*a*", "COVERING INDEX study_by_patient_name"),
        ("/studies?PatientName=a&fuzzymatching=true", "PRIMARY KEY (path=? AND value>? AND value<?)"),
        ("/studies?StudyDate=20200101-20200107&ModalitiesInStudy=CT", "study_by_date (study_date>? AND study_date<?)"),
        ("/studies?limit=101", "study_by_date"),
        ("/studies?limit=25&offset=90000", "study_by_date"),
        ("/studies/1.2/series", "(study_id=?)"),
        ("/studies/1.2/series/1.3/instances", "instance_of_series (series_id=?)"),
        ("/studies?StudyDate=20200101-20200107&StudyTime=10-12", "study_by_date (study_date>? AND study_date<?)"),
        ("/studies?StudyDescription=*a*", "COVERING INDEX study_by_description"),
        ("/studies?AccessionNumber=1", "study_by_accession (accession_number=?)"),
        ("/studies?SOPInstanceUID=1.2", "instance_by_uid (uid=?)"),
        ("/series?SeriesInstanceUID=1.2", "series_by_uid (uid=?)"),
        ("/series?PatientID=1", "study_by_patient_id (patient_id=?)"),
        ("/instances?SOPInstanceUID=1.2", "instance_by_uid (uid=?)"),
        ("/series?RequestAttributesSequence.ScheduledProcedureStepID=1", "PRIMARY KEY (path=? AND value=?)"),
        ("/studies?SOPClassesInStudy=1.2", "instance_by_class (sop_class=?)"),
        ("/studies?PriorRecordKey=WyIyMDIwIiwxXQ", "study_by_date (study_date<?)"),
    ],
)
def test_the_plan_uses_an_index(repository: SqlRepository, path: str, index: str) -> None:
    plans = list(_plans(repository, _query(path)))
    assert any(index in line for line in plans), plans
    scans = [line for line in plans if line.startswith("SCAN ") and "INDEX" not in line]
    assert {line.split()[1] for line in scans} <= {"page", "CONSTANT"}, plans
