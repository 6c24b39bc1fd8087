"""Content codings (RFC 9110 8.4.1): what JSON is sent in."""

import gzip

IDENTITY, GZIP, ZSTD = "", "gzip", "zstd"


def encode(body: bytes, coding: str) -> bytes:
    """``body`` in a coding; the same bytes for the same body."""
    if coding == GZIP:
        return gzip.compress(body, 6, mtime=0)
    if coding == ZSTD:
        from imagecodecs import zstd_encode

        return bytes(zstd_encode(body, level=6))
    return body
