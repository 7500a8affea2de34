"""The archive: Parquet files of completions in a folder or an object store. It knows nothing of databases.

The packages that read and write files are an extra, so they are imported when the first file is.
"""

from timestrata.archive.places import finished
from timestrata.archive.query import reading_query
from timestrata.archive.rows import ArchivedFact, Row, digest_of, fact_of, row_of, unit_digest
from timestrata.archive.store import Archive, path_of
from timestrata.archive.streams import Checksum, Written

__all__ = [
    "Archive",
    "ArchivedFact",
    "Checksum",
    "Row",
    "Written",
    "digest_of",
    "fact_of",
    "finished",
    "path_of",
    "reading_query",
    "row_of",
    "unit_digest",
]
