"""What every index must do."""

import hashlib
import json
import multiprocessing
import threading
import time
import zlib
from collections.abc import Iterator
from dataclasses import replace

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from pacs.domain.errors import BadRequest, IndexFault
from pacs.domain.model import BulkValue, FrameTable, Identity, Level, Move, Page, Record, Standing
from pacs.domain.query import BY_NAME, VALUES, Attribute, Condition, Query, QueryLevel
from pacs.repository import SqlRepository, make_engine
from pacs.repository.migrate import migrate, prepare, state
from pacs.repository.tables import metadata
from tests.repository.made import incoming, quiet

_STEP, _PROCEDURE = "00400275.00400009", "00400275.00401001"
_FIRST_STUDY = (
    '"00080030":{"vr":"TM","Value":["1030"]},'
    '"00100010":{"vr":"PN","Value":[{"Alphabetic":"M\u00fcller^J\u00f6rg","Ideographic":"Yamada"}]}'
)
_FIRST_SERIES = '"00400275":{"vr":"SQ","Value":[{"00400009":{"vr":"SH","Value":["S1"]}}]}'
_FIRST_EXTRA = zlib.compress(json.dumps({"00100021": '"00100021":{"vr":"LO","Value":["HOSP"]}'}).encode())
_FIRST_ROWS = (
    "INSERT INTO study (id, uid, state, sequence, version, sealed_sequence, changed, json, extra, modalities, series_count,"
    " instance_count, bytes, source, study_date, study_time, patient_name) VALUES (1, '1.1', '0', 1, 0, 0, 0,"
    " :study, :extra, '', 1, 1, 1, '', '20200101', '1030', 'muller^jorg=yamada')",
    "INSERT INTO series (id, study_id, uid, state, sequence, json, extra, instance_count)"
    " VALUES (1, 1, '1.1.1', '0', 1, :series, :none, 1)",
)
TRIPLE = Identity("1.1", "1.1.1", "1.1.1.1")


def _recomputed(repository: SqlRepository, study: str, series: str | None = None) -> str:
    total = sum(
        int(hashlib.sha256(f"{i.identity.series}/{i.identity.instance}:{i.data_digest}".encode()).hexdigest(), 16)
        for i in repository.instances(study, series)
    )
    return f"{total % 2**256:064x}"


class Contract:
    @pytest.fixture
    def repository(self, url: str) -> Iterator[SqlRepository]:
        prepare(url)
        repository = SqlRepository(make_engine(url))
        yield repository
        repository.close()

    def test_store_and_read(self, repository: SqlRepository) -> None:
        logged: list[tuple[str, int, Record]] = []
        batch = [incoming(sop=f"1.1.1.{n}", number=n) for n in (2, 1)]
        outcomes = repository.store(batch, "me", "reject", lambda *a: logged.append(a))
        assert [o.status for o in outcomes] == ["stored", "stored"]
        [(study, sequence, record)] = logged
        assert (study, sequence, record["sequence"]) == ("1.1", 2, 2)
        assert [i["sequence"] for i in record["instances"]] == [1, 2]
        assert [i.number for i in repository.instances("1.1")] == [1, 2]
        found = repository.instance(TRIPLE)
        assert found is not None and found.row == outcomes[1].row
        place = repository.frame_place(TRIPLE)
        assert place is not None and place.frames == FrameTable(1, "ranges", 5, 6)
        assert repository.frame_place(TRIPLE._replace(instance="9")) is None
        assert repository.counts() == (1, 1, 2)
        assert repository.series_of("1.1") == ["1.1.1"]

    def test_unchanged_writes_nothing(self, repository: SqlRepository) -> None:
        first = repository.store([incoming()], "", "reject", quiet)
        logged: list[int] = []
        again = repository.store([incoming()], "", "reject", lambda *a: logged.append(1))
        assert (again[0].status, again[0].row, logged) == ("unchanged", first[0].row, [])

    def test_replace_within_and_across_batches(self, repository: SqlRepository) -> None:
        repository.store([incoming()], "", "replace", quiet)
        batch = [incoming(data=d, size=s, modality="MR") for d, s in (("b", 20), ("b", 20), ("c", 30))]
        outcomes = repository.store(batch, "", "replace", quiet)
        assert [o.status for o in outcomes] == ["replaced", "unchanged", "replaced"]
        assert outcomes[0].row == outcomes[1].row != outcomes[2].row
        history = [repository.instances("1.1", at=at) for at in (1, 2, 3)]
        assert [[i.data_digest for i in one] for one in history] == [["a"], ["b"], ["c"]]
        assert repository.counts() == (1, 1, 1)
        shown = repository.shown("1.1")
        assert shown is not None and shown.state == _recomputed(repository, "1.1")
        assert repository.search(Query(QueryLevel.STUDY)).rows[0].modalities == ("MR",)

    def test_reject(self, repository: SqlRepository) -> None:
        repository.store([incoming()], "", "reject", quiet)
        [outcome] = repository.store([incoming(data="b")], "", "reject", quiet)
        assert outcome.status == "refused" and outcome.reason

    def test_quarantine(self, repository: SqlRepository) -> None:
        repository.store([incoming()], "", "reject", quiet)
        [outcome] = repository.store([incoming(data="b")], "", "quarantine", quiet)
        assert outcome.status == "quarantined" and outcome.row
        assert [i.data_digest for i in repository.instances("1.1")] == ["a"]
        assert [i.data_digest for i in repository.received(9)] == ["a", "b"]
        assert repository.instances("1.1", at=2)[0].data_digest == "a"

    def test_states(self, repository: SqlRepository) -> None:
        batch = [incoming(series=f"1.1.{n % 3}", sop=f"1.2.{n}") for n in range(20)]
        repository.store(batch, "", "reject", quiet)
        for series in (None, "1.1.0", "1.1.1"):
            shown = repository.shown("1.1", series)
            assert shown is not None and shown.state == _recomputed(repository, "1.1", series)
        assert repository.shown("7") is None

    def test_threads_on_one_study(self, repository: SqlRepository) -> None:
        def run(thread: int) -> None:
            for n in range(10):
                batch = [incoming(series=f"1.1.{n % 2}", sop=f"1.3.{thread}.{n}.{k}") for k in range(3)]
                repository.store(batch, "", "reject", quiet)

        threads = [threading.Thread(target=run, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert repository.counts() == (1, 2, 120)
        shown = repository.shown("1.1")
        assert shown is not None and (shown.state, shown.sequence) == (_recomputed(repository, "1.1"), 120)

    def test_failing_log_rolls_back(self, repository: SqlRepository) -> None:
        def fail(*_: object) -> None:
            raise RuntimeError("no")

        with pytest.raises(RuntimeError):
            repository.store([incoming()], "", "reject", fail)
        assert repository.counts() == (0, 0, 0)
        assert repository.shown("1.1") is None

    @pytest.mark.parametrize(
        ("name", "kind", "values", "expected"),
        [
            ("PatientID", "equals", ("P_1",), "1"),
            ("PatientID", "wildcard", ("P_*",), "1"),
            ("PatientID", "wildcard", ("P?1",), "21"),
            ("PatientID", "list", ("P_1", "q"), "31"),
            ("StudyDate", "range", ("20200101", "20201231"), "21"),
            ("StudyDate", "range", ("", "20200101"), "1"),
            ("PatientName", "equals", ("smith^john",), "1"),
            ("PatientName", "equals", ("yamada",), "3"),
            ("PatientName", "wildcard", ("yam*",), "3"),
            ("PatientName", "words", ("jo", "smi"), "1"),
            ("PatientName", "words", ("mith",), ""),
            ("ModalitiesInStudy", "equals", ("MR",), "2"),
            ("ModalitiesInStudy", "list", ("MR", "CT"), "2431"),
            ("SeriesNumber", "equals", ("2",), "2"),
            ("InstanceNumber", "range", ("2", ""), "3"),
            ("StudyInstanceUID", "list", ("1.2", "1.3"), "23"),
            ("StudyInstanceUID", "list", ("1.2", "1.3", "1.4"), "234"),
            ("PatientID", "wildcard", ("*%*",), "4"),
            ("PatientID", "wildcard", ("*!*",), "4"),
            ("PatientID", "wildcard", ("\U0010ffff*",), ""),
            ("PatientName", "wildcard", ("*ama*",), "3"),
            ("PatientName", "empty", (), "4"),
            ("PatientID", "empty", (), ""),
            ("AccessionNumber", "empty", (), "1234"),
            ("SeriesNumber", "empty", (), "4"),
            ("ModalitiesInStudy", "all", ("CT", "MR"), "2"),
            ("ModalitiesInStudy", "wildcard", ("M?",), "2"),
            ("ModalitiesInStudy", "empty", (), ""),
            ("SOPClassesInStudy", "equals", ("1.9",), "3"),
            ("SOPClassesInStudy", "empty", (), ""),
            ("SOPClassUID", "list", ("1.9", "1.8"), "3"),
            ("NumberOfStudyRelatedSeries", "equals", ("2",), "2"),
            ("SeriesNumber", "equals", ("99999999999999999999",), ""),
            ("RequestAttributesSequence.ScheduledProcedureStepID", "equals", ("S1",), "1"),
            ("RequestAttributesSequence.ScheduledProcedureStepID", "wildcard", ("S*",), "1"),
            ("RequestAttributesSequence.ScheduledProcedureStepID", "range", ("S1", "S1"), "1"),
            ("RequestAttributesSequence.ScheduledProcedureStepID", "empty", (), "234"),
        ],
    )
    def test_conditions(self, repository: SqlRepository, name: str, kind: str, values: tuple[str, ...], expected: str) -> None:
        _four_studies(repository)
        asked = (Condition(BY_NAME[name], kind, values),)
        page = repository.search(Query(QueryLevel.STUDY, asked))
        assert sorted(row.identity[0][-1] for row in page.rows) == sorted(expected)
        assert repository.search(Query(QueryLevel.INSTANCE, asked)).rows or not expected

    @pytest.mark.parametrize(
        ("first", "second", "expected"),
        [
            (("RequestAttributesSequence.ScheduledProcedureStepID", "S1"), (_PROCEDURE, "R1"), "1"),
            (("RequestAttributesSequence.ScheduledProcedureStepID", "S1"), (_PROCEDURE, "R2"), ""),
            (("Modality", "MR"), ("InstanceNumber", "1"), "2"),
            (("Modality", "CT"), ("SeriesNumber", "2"), ""),
            (("Modality", "CT"), ("ModalitiesInStudy", "MR"), "2"),
            (("SeriesInstanceUID", "1.2.2"), ("SOPInstanceUID", "3"), "2"),
            (("SeriesInstanceUID", "1.2.2"), ("SOPInstanceUID", "2"), ""),
        ],
    )
    def test_two_conditions(
        self, repository: SqlRepository, first: tuple[str, str], second: tuple[str, str], expected: str
    ) -> None:
        """Of one item (PS3.4 C.2.2.2.6), of one child."""
        _four_studies(repository)
        asked = tuple(Condition(BY_NAME[name], "equals", (value,)) for name, value in (first, second))
        page = repository.search(Query(QueryLevel.STUDY, asked))
        assert "".join(row.identity[0][-1] for row in page.rows) == expected

    @pytest.mark.parametrize(
        ("moments", "expected"),
        [
            (("20200101", "120000.000000", "20200601", "080000.000000"), "2"),
            (("20200101", "", "20200601", "080000.000000"), "12"),
            (("20200101", "100000.000000", "", ""), "12"),
            (("", "", "20200101", "103000.000000"), "1"),
        ],
    )
    def test_moments(self, repository: SqlRepository, moments: tuple[str, ...], expected: str) -> None:
        """A date and a time as one (PS3.4 C.2.2.2.5.2)."""
        _four_studies(repository)
        asked = Condition(BY_NAME["StudyDate"], "moments", moments, BY_NAME["StudyTime"])
        page = repository.search(Query(QueryLevel.STUDY, (asked,)))
        assert sorted(row.identity[0][-1] for row in page.rows) == sorted(expected)

    def test_pages_after_a_key(self, repository: SqlRepository) -> None:
        """Rows that come or go before the key change nothing after it (PS3.4 C.6.4.5.3)."""
        _four_studies(repository)
        for level in QueryLevel:
            whole = repository.search(Query(level, keys=True)).rows
            rest = [repository.search(Query(level, after=row.key, keys=True)) for row in whole]
            assert [page.rows for page in rest] == [whole[n + 1 :] for n in range(len(whole))]
        first = repository.search(Query(QueryLevel.STUDY, keys=True, limit=1))
        repository.store([incoming("1.9", "1.9.1", "9", study_date="20300101")], "", "reject", quiet)
        after = repository.search(Query(QueryLevel.STUDY, after=first.rows[0].key, limit=2))
        assert ([row.identity[0] for row in after.rows], after.remaining) == (["1.1", "1.4"], 1)
        with pytest.raises(BadRequest):
            repository.search(Query(QueryLevel.SERIES, after=first.rows[0].key))

    def test_values_are_those_of_the_latest_instance(self, repository: SqlRepository) -> None:
        repository.store([incoming(patient_name="Old^Name")], "", "replace", quiet)
        repository.store([incoming(sop="2", patient_name="New^Name")], "", "replace", quiet)
        for word, count in (("old", 0), ("new", 1), ("name", 1)):
            asked = Condition(BY_NAME["PatientName"], "words", (word,))
            assert len(repository.search(Query(QueryLevel.STUDY, (asked,))).rows) == count

    def test_a_value_too_long_for_an_index_is_no_fault(self, repository: SqlRepository) -> None:
        long = "".join(chr(0x4E00 + n % 5000) for n in range(5000))
        values = {_STEP: ((0, long),)}
        [outcome] = repository.store([incoming(patient_id=long, patient_name=long, series_values=values)], "", "reject", quiet)
        assert outcome.status == "stored"
        asked = Condition(BY_NAME["PatientID"], "wildcard", (long[:20] + "*",))
        assert len(repository.search(Query(QueryLevel.STUDY, (asked,))).rows) == 1

    def test_tags(self, repository: SqlRepository) -> None:
        tag = Attribute("StationName", "00081010", "SH", QueryLevel.SERIES, VALUES)
        private = Attribute("00431028", "00431028", "LO", QueryLevel.INSTANCE, VALUES, "A", True, "GEMS_PARM_01")
        asked = Query(QueryLevel.SERIES, (Condition(tag, "equals", ("A",)),), include=frozenset(("00081010",)))
        repository.declare_tags([tag])
        assert repository.waiting_tags() == {} and repository.search(asked).pending == ()
        _four_studies(repository)
        repository.declare_tags([tag, private])
        assert repository.waiting_tags() == {"00431028": 0}
        repository.declare_tags([private])
        repository.declare_tags([tag, private])
        assert repository.waiting_tags() == {"00081010": 0, "00431028": 0}
        assert repository.search(asked).pending == ("StationName",)
        rows = repository.tag_rows(QueryLevel.SERIES, 0, 3)
        assert [row.instance.identity.series for row in rows if row.instance] == ["1.1.1", "1.2.1", "1.2.2"]
        repository.store([incoming("1.2", "1.2.1", "99")], "", "reject", quiet)
        values = Level(b"", {"00081010": b'"00081010":1'}, {}, {"00081010": ((0, "A"),)})
        repository.index_tags(QueryLevel.SERIES, ["00081010"], [(row, values) for row in rows], rows[-1].owner)
        found = repository.search(asked)
        assert {row.identity[1] for row in found.rows} == {"1.1.1", "1.2.2"}  # not the series that changed meanwhile
        assert found.rows[0].levels[1].extra == {"00081010": b'"00081010":1'}
        assert repository.waiting_tags()["00081010"] == rows[-1].owner
        rest = repository.tag_rows(QueryLevel.SERIES, rows[-1].owner, 9)
        repository.index_tags(QueryLevel.SERIES, ["00081010"], [], None)
        assert len(rest) == 2 and repository.search(asked).pending == ()
        assert [row.instance.identity.instance for row in repository.tag_rows(QueryLevel.INSTANCE, 0, 9) if row.instance] == [
            "1", "2", "3", "4", "5", "99",
        ]  # fmt: skip
        repository.declare_tags([])
        assert repository.search(asked).rows == []

    def test_upgrade_of_a_filled_database(self, url: str) -> None:
        """What the first schema held is found by what the second searches."""
        engine = make_engine(url)
        migrate(url, "0001")
        with engine.execution_options(writing=True).begin() as connection:
            values = {"study": _FIRST_STUDY.encode(), "extra": _FIRST_EXTRA, "series": _FIRST_SERIES.encode(), "none": b""}
            for statement in _FIRST_ROWS:
                connection.execute(text(statement), {name: value for name, value in values.items() if f":{name}" in statement})
        engine.dispose()
        migrate(url)
        repository = SqlRepository(make_engine(url))
        asks = [
            Condition(BY_NAME["PatientName"], "words", ("jorg",)),
            Condition(BY_NAME["PatientName"], "equals", ("yamada",)),
            Condition(BY_NAME["StudyTime"], "range", ("103000.000000", "103000.000000")),
            Condition(BY_NAME["IssuerOfPatientID"], "equals", ("HOSP",)),
            Condition(BY_NAME[_STEP], "equals", ("S1",)),
        ]
        for asked in asks:
            rows = repository.search(Query(QueryLevel.STUDY, (asked,), include_all=True)).rows
            assert [row.identity[0] for row in rows] == ["1.1"], asked
            assert rows[0].levels[0].extra["00100021"] == b'"00100021":{"vr":"LO","Value":["HOSP"]}'
        repository.close()

    def test_order_and_paging(self, repository: SqlRepository) -> None:
        _four_studies(repository)
        assert [r.identity[0] for r in repository.search(Query(QueryLevel.STUDY)).rows] == ["1.2", "1.1", "1.4", "1.3"]
        for level in QueryLevel:
            whole = repository.search(Query(level))
            assert repository.search(Query(level, limit=0)) == Page([], len(whole.rows))
            paged = [repository.search(Query(level, limit=1, offset=n)) for n in range(len(whole.rows))]
            assert [p.rows[0] for p in paged] == whole.rows
            assert [p.remaining for p in paged] == list(range(len(whole.rows)))[::-1]
            assert len(whole.rows[0].identity) == len(whole.rows[0].levels) == level
        extra = repository.search(Query(QueryLevel.SERIES, study="1.1", include=frozenset(("00104000",)))).rows[0].levels[0].extra
        assert extra == {"00104000": b'"x":1'}

    def test_seal(self, repository: SqlRepository) -> None:
        repository.store([incoming(), incoming(sop="2")], "", "reject", quiet)
        repository.store([incoming(sop="3")], "", "reject", quiet)
        assert repository.unsealed(time.time() + 9) == ["1.1"]
        assert repository.unsealed(time.time() - 9) == []
        told: list[tuple[int, list[int]]] = []
        assert repository.seal("1.1", lambda *a: told.append(a)) == 1
        assert told == [(1, [2, 3])]
        assert repository.seal("1.1", lambda *a: told.append(a)) is None
        repository.store([incoming(sop="4")], "", "reject", quiet)
        assert repository.seal("1.1", lambda *a: told.append(a)) == 2
        assert told[1] == (2, [4])

    def test_a_version_is_unpublished_until_said_otherwise(self, repository: SqlRepository) -> None:
        assert repository.standing("1.1") is None
        repository.store([incoming()], "", "reject", quiet)
        assert repository.unpublished(time.time() + 9) == []
        repository.seal("1.1", lambda *_: None)
        assert repository.standing("1.1") == Standing(1, 1, 0)
        assert repository.unpublished(time.time() + 9) == ["1.1"]
        assert repository.unpublished(time.time() - 9) == []
        repository.publish("1.1", 1)
        repository.publish("1.1", 0)
        assert repository.standing("1.1") == Standing(1, 1, 1)
        assert repository.unpublished(time.time() + 9) == []

    def test_relocate_and_received(self, repository: SqlRepository) -> None:
        value = BulkValue("00420011", "OB", "ab" * 32, 7, 99)
        [outcome] = repository.store([incoming(location="incoming/t", bulk=(value,))], "", "reject", quiet)
        assert repository.bulk_received("1.1", "ab" * 32) == ("incoming/t", value)
        assert [i.bulk for i in repository.received(5)] == [(value,)]
        assert repository.relocate([Move(outcome.row, "incoming/other", "studies/x", FrameTable(2))]) == 0
        assert repository.relocate([Move(outcome.row, "incoming/t", "studies/x", FrameTable(2))]) == 1
        assert repository.received(5) == []
        assert repository.bulk_received("1.1", "ab" * 32) is None
        place = repository.frame_place(TRIPLE)
        assert place is not None and (place.location, place.frames) == ("studies/x", FrameTable(2))

    def test_swap(self, repository: SqlRepository) -> None:
        called: list[int] = []
        repository.swap("1.1", lambda: called.append(1))
        assert called == [1]

    def test_lines_wait_for_a_document(self, repository: SqlRepository) -> None:
        lines = [replace(incoming(sop=f"1.{n}"), line=b"line %d" % n) for n in range(3)]
        first, second = repository.store(lines[:2], "", "replace", quiet)
        before = repository.shown("1.1", "1.1.1")
        (third,) = repository.store(lines[2:], "", "replace", quiet)
        repository.store([incoming(series="9", sop="9")], "", "replace", quiet)
        assert repository.waiting_lines("1.1", "1.1.1") == {first.row: b"line 0", second.row: b"line 1", third.row: b"line 2"}
        assert repository.waiting_lines("1.1", "9") == {}
        assert before is not None
        repository.swap("1.1", lambda: None, ("1.1.1", before.sequence))
        assert repository.waiting_lines("1.1", "1.1.1") == {third.row: b"line 2"}
        repository.store([replace(incoming(sop="1.2", data="b"), line=b"new")], "", "replace", quiet)
        assert list(repository.waiting_lines("1.1", "1.1.1").values()) == [b"new"]

    def test_migrate_twice_and_no_drift(self, url: str) -> None:
        assert state(url) == "empty"
        migrate(url)
        migrate(url)
        assert state(url) == "current"
        engine = make_engine(url)
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, metadata) == []
        engine.dispose()

    def test_migrate_at_once(self, url: str) -> None:
        spawn = multiprocessing.get_context("spawn")
        processes = [spawn.Process(target=target, args=(url,)) for target in (migrate, migrate, prepare, prepare)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0, 0, 0, 0]
        assert state(url) == "current"

    def test_newer_is_refused(self, url: str) -> None:
        migrate(url)
        engine = make_engine(url)
        with engine.execution_options(writing=True).begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        engine.dispose()
        with pytest.raises(IndexFault, match="newer"):
            prepare(url)


def _four_studies(repository: SqlRepository) -> None:
    requests = {_STEP: ((0, "S1"), (1, "S2")), _PROCEDURE: ((0, "R1"), (1, "R2"))}
    one = incoming(
        "1.1", "1.1.1", "1", patient_id="P_1", study_date="20200101", study_time="103000.000000", patient_name="Smith^John",
        series_values=requests,
    )  # fmt: skip
    two = incoming(
        "1.2", "1.2.1", "2", patient_id="PX1", study_date="20200601", study_time="070000.000000", patient_name="Doe"
    )
    more = incoming(
        "1.2", "1.2.2", "3", modality="MR", series_number=2, patient_id="PX1", study_date="20200601",
        study_time="070000.000000", patient_name="Doe",
    )  # fmt: skip
    three = incoming("1.3", "1.3.1", "4", number=3, patient_id="q", patient_name="Other^A=Yamada=B", sop_class="1.9")
    four = incoming("1.4", "1.4.1", "5", number=None, series_number=None, patient_id="50%!")
    repository.store([one, two, more, three, four], "", "reject", quiet)
