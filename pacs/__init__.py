"""static-dicomweb: a PACS for the web, as rooms.

``domain``      words and rules: UIDs, layout of the tree, rows, queries, ports, errors.  Imports nothing of ours.
``dicom``       reads untrusted bytes: element walk, character sets, DICOM JSON, pixel geometry.  No I/O.
``convert``     a file into artefacts and back: frames, shell, documents, pictures.  No I/O.
``storage``     keys to bytes (memory, disk).  Knows no DICOM.
``repository``  the index, the only room with SQLAlchemy.
``workers``     processes with limits, where foreign code streams are decoded.
``services``    one verb a file: store, settle, publish, search, retrieve, export.
``dicomweb``    HTTP edge (Litestar), ``cli`` command edge.
``bootstrap``   Settings -> assembled services; the one module that knows every adapter.

Arrows point inward; ``tests/test_arrows.py`` reads the imports and says so.
"""

__version__ = "0.1.0"
