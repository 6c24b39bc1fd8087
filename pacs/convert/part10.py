"""Preamble and meta group for data sets that came without (PS3.10 section 7.1): made once, always the same."""

import struct

IMPLEMENTATION_UID = "1.2.826.0.1.3680043.10.1733.1"


def make_meta(transfer_syntax: str, sop_class: str, sop_instance: str) -> bytes:
    """128 zero bytes, ``DICM`` and the meta group."""
    group = b"".join(
        (
            struct.pack("<HH2sHIBB", 2, 1, b"OB", 0, 2, 0, 1),
            _uid(2, sop_class),
            _uid(3, sop_instance),
            _uid(0x10, transfer_syntax),
            _uid(0x12, IMPLEMENTATION_UID),
        )
    )
    return bytes(128) + b"DICM" + struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(group)) + group


def _uid(element: int, value: str) -> bytes:
    data = value.encode("ascii", "replace")
    data += b"\0" * (len(data) % 2)
    return struct.pack("<HH2sH", 2, element, b"UI", len(data)) + data
