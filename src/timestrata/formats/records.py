"""The records of a CSV stream with the lines they came from; one that cannot be read does not stop the others."""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO

from timestrata.errors import InvalidInput
from timestrata.formats import MAX_LINE, numbered

DELIMITERS = (",", ";", "\t", "|")

_SNIFFED = 10_000
_UNDECODED = re.compile("[\udc80-\udcff]")


@dataclass(frozen=True, slots=True)
class Record:
    """One record: its cells, or the error that says why there are none; a record may span several lines."""

    line: int
    text: str
    cells: tuple[str, ...] = ()
    error: InvalidInput | None = None


class Records(Iterator[Record]):
    """The records after the header; blank lines and records of empty cells only are left out.

    Raises InvalidInput when there is no header that can be read, and when the stream breaks off.
    """

    def __init__(self, stream: BinaryIO, encoding: str, delimiter: str | None = None) -> None:
        lines = _text_lines(stream, encoding)
        first = next(((number, text) for number, text in lines if text.strip("\ufeff \t\r\n")), None)
        if first is None:
            raise InvalidInput(1, None, "the file is empty, want a first line with the names of the columns")
        number, text = first[0], first[1].removeprefix("\ufeff")
        self._encoding = encoding
        self._feed = _Feed(chain([(number, text)], lines))
        self._reader = csv.reader(self._feed, delimiter=delimiter or sniffed(text), strict=True)
        self.header: tuple[str, ...] = ()
        head = self._read()
        if head.error is not None:
            raise head.error
        self.header = tuple(name.strip() for name in head.cells)
        self.header_text = head.text

    def __next__(self) -> Record:
        while True:
            record = self._read()
            if record.error is not None or not _blank(record.cells):
                return record

    def _read(self) -> Record:
        """Return the next record, a blank one too. Raises StopIteration."""
        feed = self._feed
        feed.begin()
        try:
            cells = next(self._reader)
        except csv.Error as error:
            feed.give_back()
            return self._refused(f"not a whole record, look for quotes that do not match ({error})")
        text = feed.text
        if not text.isascii() and (undecoded := _UNDECODED.search(text)):
            byte = ord(undecoded[0]) - 0xDC00
            return self._refused(f"byte 0x{byte:02x} is not {self._encoding} text: name the encoding of the file")
        if "\0" in text:
            return self._refused("found the character U+0000: is this UTF-16? Name the encoding of the file")
        if self.header and len(cells) != len(self.header) and not _blank(cells):
            return self._refused(f"found {len(cells)} cells, want {len(self.header)} as in the header")
        return Record(feed.taken[0][0], text, tuple(cells))

    def _refused(self, problem: str) -> Record:
        line = self._feed.taken[0][0]
        return Record(line, self._feed.text, error=InvalidInput(line, None, problem))


def sniffed(header: str) -> str:
    """Return the delimiter among , ; tab and | that cuts the header into the most cells, the comma when none does."""
    start = [header[:_SNIFFED]]
    return max(DELIMITERS, key=lambda delimiter: len(next(csv.reader(start, delimiter=delimiter))))


def _blank(cells: Sequence[str]) -> bool:
    return not any(cell and not cell.isspace() for cell in cells)


def _text_lines(stream: BinaryIO, encoding: str) -> Iterator[tuple[int, str]]:
    """Yield numbered lines with their ends; bytes that are no text become surrogate escapes where the codec can."""
    text = io.TextIOWrapper(stream, encoding, errors="surrogateescape", newline="")
    try:
        yield from numbered(text)
    finally:
        if not stream.closed:
            text.detach()


class _Feed(Iterator[str]):
    """The lines that a csv.reader takes, kept until its record is whole.

    A quote that is never closed swallows the lines after it, up to the next quote or csv.field_size_limit(). Then all
    lines but the first are given back and read again, so that one bad line costs one record.
    """

    def __init__(self, lines: Iterator[tuple[int, str]]) -> None:
        self.taken: list[tuple[int, str]] = []
        self._size = 0
        self._lines = lines
        self._waiting: deque[tuple[int, str]] = deque()
        self._given_back = 0

    def begin(self) -> None:
        """Forget the last record."""
        self.taken = []
        self._size = 0

    def __next__(self) -> str:
        line = self._waiting.popleft() if self._waiting else next(self._lines)
        self.taken.append(line)
        self._size += len(line[1])
        if self._size > MAX_LINE:
            raise csv.Error(f"longer than {MAX_LINE} characters")
        return line[1]

    @property
    def text(self) -> str:
        """What was taken, without the last line end."""
        return "".join(text for _, text in self.taken).rstrip("\r\n")

    def give_back(self) -> None:
        rest = self.taken[1:]
        # Read each line again ten times at most (on average), or a file of nothing but quotes takes for ever.
        if self._given_back + len(rest) > 10 * self.taken[-1][0] + 10_000:
            return
        self._given_back += len(rest)
        self._waiting.extendleft(reversed(rest))
        del self.taken[1:]
