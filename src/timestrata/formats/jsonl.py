"""JSON Lines, one completed workflow a line: the form Timestrata imports and exports."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from json import JSONDecoder, JSONEncoder
from typing import Any

from timestrata.calendar import zone
from timestrata.errors import InvalidInput, TimestrataError, shown
from timestrata.facts import CompletedWorkflow
from timestrata.formats import MAX_LINE, Entry, numbered
from timestrata.formats.workflow_json import Reading, workflow_from_json, workflow_to_json

__all__ = ["read_jsonl", "workflow_from_json", "workflow_to_json", "write_line"]

_BOM = b"\xef\xbb\xbf"
_SHOWN_OF_LONG_LINE = 1000


def read_jsonl(lines: Iterable[bytes], timezone: str = "UTC") -> Iterator[Entry]:
    """Read one workflow a line, in constant memory; blank lines are skipped, a bad line is an entry with its error.

    A time without an offset is read in the `timezone` of its record, else in this one, and noted.
    Raises InvalidFact at once when the zone is unknown, and InvalidInput when the stream itself breaks off.

    >>> [entry.refusal for entry in read_jsonl([b"[]"])]
    ['line 1, workflow: found [], want a JSON object']
    """
    zone(timezone)
    return _entries(lines, timezone)


def _entries(lines: Iterable[bytes], timezone: str) -> Iterator[Entry]:
    for number, raw in numbered(lines):
        line = raw.removeprefix(_BOM) if number == 1 else raw
        if not line or line.isspace():
            continue
        if len(line) > MAX_LINE:
            start = line[:_SHOWN_OF_LONG_LINE].decode(errors="replace")
            yield Entry(number, start, error=InvalidInput(number, None, f"longer than {MAX_LINE} bytes"))
            continue
        yield _entry(number, line, timezone)


def _entry(number: int, line: bytes, timezone: str) -> Entry:
    try:
        text = line.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        kept = line.decode(errors="surrogateescape").rstrip("\r\n")
        problem = f"byte 0x{line[error.start]:02x} at byte {error.start + 1} is not UTF-8 ({error.reason})"
        return Entry(number, kept, error=InvalidInput(number, None, problem))
    reading = Reading(timezone)
    try:
        return Entry(number, text, reading.workflow(_document(number, text)), None, reading.notes)
    except TimestrataError as error:
        return Entry(number, text, None, error)


class _RepeatedKey(Exception):
    pass


class _NotANumber(Exception):
    pass


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise _RepeatedKey(Counter(key for key, _ in pairs).most_common(1)[0][0])
    return document


def _refuse_constant(constant: str) -> None:
    raise _NotANumber(constant)


_decode = JSONDecoder(object_pairs_hook=_once, parse_constant=_refuse_constant).decode
_encode = JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def _document(number: int, text: str) -> object:
    try:
        return _decode(text)
    except json.JSONDecodeError as error:
        raise InvalidInput(number, str(error.colno), f"not JSON: {error.msg}") from error
    except _RepeatedKey as error:
        raise InvalidInput(number, shown(error.args[0]), "the key comes twice in one object") from error
    except _NotANumber as error:
        raise InvalidInput(number, None, f"{error} is not JSON, want a number or null") from error
    except RecursionError as error:
        raise InvalidInput(number, None, "objects or lists are nested too deeply") from error
    except ValueError as error:  # int() refuses more than sys.get_int_max_str_digits()
        raise InvalidInput(number, None, "a number has too many digits") from error


def write_line(workflow: CompletedWorkflow) -> str:
    """Return the workflow as one line of JSONL, without the newline; it can always be encoded as UTF-8."""
    document = workflow_to_json(workflow)
    text = _encode(document)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:  # a lone surrogate in the attributes: JSON can say it, UTF-8 cannot
            return json.dumps(document, separators=(",", ":"))
    return text
