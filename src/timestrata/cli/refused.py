"""The file of refused lines: as they were read, to be mended and imported again."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from timestrata.cli.replacing import replacing
from timestrata.errors import InvalidRequest
from timestrata.formats import Entry


class Refused:
    """Keeps the text of refused entries; without a stream it keeps nothing."""

    def __init__(self, stream: io.TextIOBase | None = None) -> None:
        self._stream = stream
        self._header: str | None = None

    def begin(self, header: str | None) -> None:
        """Start on an input. The header of a CSV file comes first, once. Raises InvalidRequest for another header."""
        if self._stream is None or header is None or header == self._header:
            return
        if self._header is not None:
            raise InvalidRequest("--errors", header, f"the header {self._header!r} again: import the files one by one")
        self._header = header
        self._stream.write(f"{header}\n")

    def keep(self, entry: Entry) -> None:
        """Keep the lines of an entry."""
        if self._stream is not None:
            self._stream.write(f"{entry.text}\n")


@contextmanager
def refused_lines(path: Path | None, encoding: str) -> Iterator[Refused]:
    """Open the file that takes refused lines, in the encoding of the inputs; it is put in place at the end."""
    if path is None:
        yield Refused()
        return
    with replacing("--errors", path) as stream:
        text = io.TextIOWrapper(stream, encoding, errors="surrogateescape", newline="")
        yield Refused(text)
        text.flush()
        text.detach()
