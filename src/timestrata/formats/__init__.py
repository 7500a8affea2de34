"""Readers and writers of completed workflows: what every reader yields, and the streams they read from."""

from __future__ import annotations

import gzip
import io
import os
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, AnyStr, BinaryIO, cast

from timestrata.errors import InvalidInput, InvalidRequest, TimestrataError
from timestrata.facts import CompletedWorkflow

MAX_LINE = 8 * 1024 * 1024
"""The longest line that is read, in bytes (JSONL) or characters (CSV); a longer one is refused and passed over."""

_GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Entry:
    """One item of an input: either the workflow it holds, or the error that says why it holds none.

    `line` is the number of its first line, from 1. `text` is what was read, without the last newline; bytes that are
    no text in the encoding are kept as surrogate escapes, so that `text.encode(encoding, "surrogateescape")` gives
    them back. `notes` says what was accepted but is worth knowing.
    """

    line: int
    text: str
    workflow: CompletedWorkflow | None = None
    error: TimestrataError | None = None
    notes: tuple[str, ...] = ()

    @property
    def refusal(self) -> str | None:
        """The error as one sentence that names the line; None when there is a workflow."""
        if self.error is None:
            return None
        return str(self.error) if isinstance(self.error, InvalidInput) else f"line {self.line}, {self.error}"


@contextmanager
def open_input(source: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file, or standard input for "-", as unpacked bytes: gzip is known by its content, not by its name.

    Raises InvalidRequest when there is no such file or it cannot be opened.
    """
    with ExitStack() as stack:
        if source == "-":
            yield unpacked(sys.stdin.buffer)
            return
        try:
            stream = stack.enter_context(Path(source).open("rb"))
        except OSError as error:
            raise InvalidRequest("file", os.fspath(source), f"a file that can be read ({error.strerror})") from error
        yield unpacked(stream)


def unpacked(stream: BinaryIO) -> BinaryIO:
    """Return `stream` itself, or what it unpacks to when it starts as gzip does."""
    peekable = stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(cast(io.RawIOBase, stream))
    if peekable.peek(2)[:2] != _GZIP_MAGIC:
        return peekable
    # A buffer of our own: GzipFile.readline is Python and costs 0.3 us a line more.
    return io.BufferedReader(_Unpacked(peekable), 1 << 16)


class _Unpacked(io.RawIOBase):
    """What a stream unpacks to, up to where it is damaged: GzipFile.readinto() drops what it has when it fails."""

    def __init__(self, packed: BinaryIO) -> None:
        self._file = gzip.GzipFile(fileobj=packed)

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._file.fileno()

    def readinto(self, buffer: Any) -> int:
        data = self._file.read1(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def numbered(lines: Iterable[AnyStr]) -> Iterator[tuple[int, AnyStr]]:
    """Yield each line with its number, from 1.

    Of a line longer than MAX_LINE in a stream comes the start only. Raises InvalidInput, with the number of the
    line it happened at, when the source breaks off: what follows cannot be reached, so no reader can go on.
    """
    number = 0
    try:
        for line in _bounded(cast(IO[AnyStr], lines)) if isinstance(lines, io.IOBase) else lines:
            number += 1
            yield number, line
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        problem = f"the compressed data is cut off or damaged ({error}): nothing after it can be read"
        raise InvalidInput(number + 1, None, problem) from error
    except UnicodeDecodeError as error:
        problem = f"this is not {error.encoding} text ({error.reason}): name the encoding of the file"
        raise InvalidInput(number + 1, None, problem) from error
    except OSError as error:
        raise InvalidInput(number + 1, None, f"the file cannot be read on ({error.strerror or error})") from error


def _bounded(stream: IO[AnyStr]) -> Iterator[AnyStr]:
    """Yield the lines of `stream`, cut after MAX_LINE + 1, so that a file of one endless line does not fill memory."""
    while line := stream.readline(MAX_LINE + 1):
        yield line
        while len(line) > MAX_LINE and line[-1:] not in (b"\n", "\n"):
            line = stream.readline(MAX_LINE + 1)
