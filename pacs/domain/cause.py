"""Why an instance was not stored, in our own words: edges turn them into their protocol's codes, one table each."""

from enum import StrEnum


class Cause(StrEnum):
    """The kind of a failure; the text beside it is for people."""

    NOT_UNDERSTOOD = "not understood"
    """The bytes are no DICOM object, are cut off, damaged or over a limit."""
    NO_IDENTITY = "no identity"
    """A UID that names it is missing or is none."""
    NOT_STORABLE = "not storable"
    """Of a class that is not stored, such as a media directory."""
    WRONG_STUDY = "wrong study"
    """Of another study than the one it was sent to."""
    DUPLICATE = "duplicate"
    """Other bytes are stored under its UIDs, and the policy does not replace them."""
    MISSING_BULK = "missing bulk data"
    """Its metadata refers to bulk data that did not come."""
    NO_SPACE = "no space"
    """The storage is full."""
    STORAGE = "storage"
    """The storage failed."""
