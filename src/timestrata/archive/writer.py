"""Rows into a file. Needs pyarrow."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import pyarrow as pa
import pyarrow.parquet as pq

from timestrata.archive import groups
from timestrata.archive.columns import NAMES, SCHEMA, table_of
from timestrata.archive.rows import Row, digest_of
from timestrata.archive.streams import Output, Written

GROUP_ROWS = 4096
"""Rows that are held in memory at once, and the fewest that a reader of one person has to look at."""

_GROUP_CHARACTERS = 16_000_000
"""Of attributes: a group with more of them is written before it is full."""


class Writer:
    """A file that is being written, a row group at a time."""

    def __init__(self, path: str, output: Output) -> None:
        self._path = path
        self._output = output
        self._parquet = pq.ParquetWriter(
            pa.PythonFile(output, mode="w"),
            SCHEMA,
            compression="zstd",
            use_dictionary=NAMES,
            write_page_checksum=True,
            store_schema=False,  # of Arrow, in each file: half of a small one
        )
        self._rows: list[Row] = []
        self._digests: list[bytes] = []
        self._characters = 0
        self._groups: list[groups.Group] = []
        self._written: Written | None = None

    def add(self, rows: Sequence[Row]) -> list[bytes]:
        """Add rows, those of one user and day together, in the order of their numbers; return their digests."""
        digests = [digest_of(row) for row in rows]
        for row, digest in zip(rows, digests, strict=True):
            self._rows.append(row)
            self._digests.append(digest)
            self._characters += len(row["attributes"] or "")
            if len(self._rows) >= GROUP_ROWS or self._characters >= _GROUP_CHARACTERS:
                self._flush()
        return digests

    @property
    def written(self) -> Written:
        """The finished file, once the block that wrote it has ended."""
        assert self._written is not None, "the file is still being written, or was given up"
        return self._written

    def finish(self) -> None:
        """Write what is left, and the end of the file."""
        if self._rows:
            self._flush()
        self._parquet.add_key_value_metadata({groups.KEY: groups.written(self._groups)})
        self._parquet.close()
        completions = sum(group.rows for group in self._groups)
        self._written = Written(self._path, completions, self._output.size, self._output.digest())

    def give_up(self) -> None:
        """Let go of a file that is not going to be finished."""
        with suppress(Exception):  # it tries to write the end of the file
            self._parquet.close()

    def _flush(self) -> None:
        rows, digests, self._rows, self._digests, self._characters = self._rows, self._digests, [], [], 0
        keys = groups.Keys([row["user_id"] for row in rows], [row["day"] for row in rows], digests)
        self._parquet.write_table(table_of(rows, digests), row_group_size=len(rows))
        self._groups.append(keys.group())
