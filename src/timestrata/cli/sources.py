"""The inputs of an import: which format they have, how far they are read, and the entries in them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from timestrata.errors import InvalidRequest
from timestrata.formats import Entry, open_input
from timestrata.formats.jsonl import read_jsonl
from timestrata.formats.mapping import ColumnMapping
from timestrata.formats.table import read_table

STANDARD_INPUT = "-"

_TABLE_NAMES = (".csv", ".tsv")


@dataclass(frozen=True, slots=True)
class Reading:
    """How the inputs are read: as CSV by a mapping, else as JSON Lines; `timezone` is that of times without offset."""

    mapping: ColumnMapping | None = None
    timezone: str = "UTC"

    @property
    def encoding(self) -> str:
        """The encoding of the inputs, so that lines can be written back byte for byte."""
        return self.mapping.encoding if self.mapping is not None else "utf-8"


@dataclass(frozen=True, slots=True)
class Source:
    """An open input. `header` is the first line of a CSV file."""

    name: str
    entries: Iterator[Entry]
    header: str | None
    stream: BinaryIO

    @property
    def position(self) -> int:
        """Bytes of the file that are read, of a packed one too: its stream has the descriptor of the file."""
        return os.lseek(self.stream.fileno(), 0, os.SEEK_CUR)


def check_files(names: list[str], reading: Reading) -> None:
    """Raise InvalidRequest unless every input looks readable, before the first of them is imported."""
    if names.count(STANDARD_INPUT) > 1:
        raise InvalidRequest("FILE", STANDARD_INPUT, "standard input once")
    for name in names:
        path = Path(name)
        if name == STANDARD_INPUT:
            continue
        if not path.exists() or path.is_dir() or not os.access(path, os.R_OK):
            raise InvalidRequest("FILE", name, "a file that can be read")
        if reading.mapping is None and path.name.lower().removesuffix(".gz").endswith(_TABLE_NAMES):
            raise InvalidRequest("FILE", name, "JSON Lines, or --map to say what the columns of a CSV file hold")


@contextmanager
def opened(name: str, reading: Reading) -> Iterator[Source]:
    """Open one input. Raises InvalidRequest, and InvalidInput for a CSV file without a header that can be read."""
    with open_input(name) as stream:
        if reading.mapping is None:
            yield Source(name, read_jsonl(stream, reading.timezone), None, stream)
        else:
            table = read_table(stream, reading.mapping)
            yield Source(name, table, table.header, stream)
