"""The static tree: every key of it, in one place.  Format 1.

::

    studies/<study>/index.json                                    study record, QIDO form, gzip
    studies/<study>/log/<seq>.json                                one record a committed batch, gzip
    studies/<study>/versions/<n>.json                             what a sealed version added: its log records, a line each, gzip
    studies/<study>/bulkdata/<sha256>                             bulk value, content-addressed
    studies/<study>/thumbnail                                     JPEG
    studies/<study>/series/index.json                             series records, gzip
    studies/<study>/series/<series>/metadata                      DICOM JSON, one instance a line, gzip
    studies/<study>/series/<series>/thumbnail                     JPEG of the middle instance
    studies/<study>/series/<series>/instances/index.json          instance records, gzip
    studies/<study>/series/<series>/instances/<sop>/shell         the rest of the Part 10 bytes (convert/shell.py)
    studies/<study>/series/<series>/instances/<sop>/frames/<k>    frame k, from 1, as sent
    studies/<study>/series/<series>/instances/<sop>/frames.pack   instead, for many frames
    studies/<study>/series/<series>/base/<digest12>               dictionary of the series' shells (and <digest12>.copy)
    incoming/<token>                                              received and acknowledged, not yet converted
    tmp/                                                          being built

An instance folder taken by other bytes becomes ``<sop>~<digest12>-<n>``.  Every UID in a key passed ``parse_uid``.
"""

from pacs.domain.model import Identity

FORMAT = 1
INCOMING = "incoming/"


def study(uid: str) -> str:
    return f"studies/{uid}"


def series(study_uid: str, uid: str) -> str:
    return f"studies/{study_uid}/series/{uid}"


def instance(identity: Identity) -> str:
    return f"{series(identity.study, identity.series)}/instances/{identity.instance}"


def instance_taken(identity: Identity, digest: str, attempt: int) -> str:
    """The folder of an instance whose canonical folder holds other bytes."""
    return f"{instance(identity)}~{digest[:12]}-{attempt}"


def shell(location: str) -> str:
    return f"{location}/shell"


def frame(location: str, number: int) -> str:
    return f"{location}/frames/{number}"


def pack(location: str) -> str:
    return f"{location}/frames.pack"


def base(study_uid: str, series_uid: str, digest: str) -> str:
    return f"{series(study_uid, series_uid)}/base/{digest[:12]}"


def bulk(study_uid: str, sha256: str) -> str:
    return f"studies/{study_uid}/bulkdata/{sha256}"


def log(study_uid: str, sequence: int) -> str:
    return f"studies/{study_uid}/log/{sequence}.json"


def logs(study_uid: str) -> str:
    """The folder of the log records."""
    return f"studies/{study_uid}/log/"


def sequence_of(log_key: str) -> int | None:
    """The sequence a log record's key names, None for a key of something else."""
    name = log_key.rpartition("/")[2].removesuffix(".json")
    return int(name) if name.isdecimal() else None


def versions(study_uid: str) -> str:
    """The folder of the sealed versions."""
    return f"studies/{study_uid}/versions/"


def version(study_uid: str, number: int) -> str:
    return f"studies/{study_uid}/versions/{number}.json"


def series_metadata(study_uid: str, series_uid: str) -> str:
    return f"{series(study_uid, series_uid)}/metadata"


def study_index(study_uid: str) -> str:
    return f"studies/{study_uid}/index.json"


def series_index(study_uid: str) -> str:
    return f"studies/{study_uid}/series/index.json"


def instance_index(study_uid: str, series_uid: str) -> str:
    return f"{series(study_uid, series_uid)}/instances/index.json"


def study_thumbnail(study_uid: str) -> str:
    return f"studies/{study_uid}/thumbnail"


def series_thumbnail(study_uid: str, series_uid: str) -> str:
    return f"{series(study_uid, series_uid)}/thumbnail"


def incoming(token: str) -> str:
    return f"{INCOMING}{token}"


def is_incoming(location: str) -> bool:
    return location.startswith(INCOMING)
