"""Columns of rows as array parameters of PostgreSQL.

Written here because the driver writes a list element by element in Python: measured, a quarter of its time. Numbers and
bytes go in the binary form, which takes half the time of text to write and need not be parsed by the server. What is
short goes as text, because the driver hands text on without asking Python; so do texts, which are joined sooner.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from functools import cache
from struct import Struct
from typing import Any

from sqlalchemy import Table

from timestrata.dialects.base import Row

# Source: array_recv() in PostgreSQL's src/backend/utils/adt/arrayfuncs.c. All numbers are big-endian.
_HEAD = "iiIii"  # dimensions, whether there may be NULLs, type of the elements, how many, the first one's index
_NULL = Struct(">i").pack(-1)
_OIDS = {"smallint": 21, "integer": 23, "bigint": 20, "bytea": 17}
_NUMBERS = {"smallint": (2, "h"), "integer": (4, "i"), "bigint": (8, "q")}

_LONG = 12
"""From so many numbers on the binary form is sooner done, measured."""
_KEPT = 256
"""Up to so many numbers it is kept how they are packed, which takes three megabytes for each kind at most."""


class BinaryArray(bytes):
    """An array in the binary form of PostgreSQL's protocol."""


Array = str | BinaryArray


def arrays(table: Table, rows: Sequence[Row]) -> tuple[Array, ...]:
    """Return the first columns of a table's rows, as many as the rows have, as an array each.

    Raises struct.error, or leaves it to the server, when a number is larger than its column: facts are checked before.
    """
    columns = zip(*rows, strict=True)
    return tuple(write(values) for write, values in zip(_writers(table), columns, strict=False))


@cache
def _writers(table: Table) -> tuple[Callable[[Sequence[Any]], Array], ...]:
    named: dict[str, Callable[[Sequence[Any]], Array]] = {
        "smallint": smallints, "integer": integers, "bigint": bigints, "bytea": byteas, "text": texts,
    }  # fmt: skip
    return tuple(named[type_of(column)] for column in table.columns)


@cache
def type_of(column: Any) -> str:
    """Return the PostgreSQL type of a column, as it is declared in schema.py."""
    from sqlalchemy.dialects import postgresql

    return str(column.type.compile(postgresql.dialect())).partition(" COLLATE")[0].lower()  # type: ignore[no-untyped-call]


def smallints(values: Sequence[int | None]) -> Array:
    """Return a smallint[]."""
    return _numbers("smallint", values)


def integers(values: Sequence[int | None]) -> Array:
    """Return an integer[]."""
    return _numbers("integer", values)


def bigints(values: Sequence[int | None]) -> Array:
    """Return a bigint[]."""
    return _numbers("bigint", values)


def _numbers(kind: str, values: Sequence[int | None]) -> Array:
    if len(values) < _LONG:
        return "{" + ",".join(map(str, values)).replace("None", "NULL") + "}"
    pack, blank = _kept(kind, len(values)) if len(values) <= _KEPT else _made(kind, len(values))
    filled: list[Any] = blank.copy()
    filled[6::2] = values
    try:
        return BinaryArray(pack(*filled))
    except struct.error:  # of a NULL, or of a number that the column cannot hold
        if None not in values:
            raise
    size, code = _NUMBERS[kind]
    element = Struct(f">i{code}").pack
    return _array(kind, [_NULL if value is None else element(size, value) for value in values])


_Form = tuple[Callable[..., bytes], list[int]]
"""What packs an array of numbers, and its arguments with 0 for each number: a length comes before it."""


def _made(kind: str, count: int) -> _Form:
    size, code = _NUMBERS[kind]
    return Struct(f">{_HEAD}" + f"i{code}" * count).pack, [*_head(kind, count), *[size, 0] * count]


_kept = cache(_made)


def byteas(values: Sequence[bytes | None]) -> BinaryArray:
    """Return a bytea[]."""
    length = Struct(">i").pack
    return _array("bytea", [_NULL if value is None else length(len(value)) + value for value in values])


def _array(kind: str, elements: Sequence[bytes]) -> BinaryArray:
    return BinaryArray(b"".join((Struct(f">{_HEAD}").pack(*_head(kind, len(elements))), *elements)))


def _head(kind: str, count: int) -> tuple[int, ...]:
    return (1, 1, _OIDS[kind], count, 1)


def texts(values: Sequence[str | None]) -> str:
    """Return a text[]."""
    present = [value for value in values if value is not None]
    joined = '","'.join(present)
    if len(present) == len(values) and "\\" not in joined and joined.count('"') == 2 * (len(values) - 1):
        return '{"' + joined + '"}'
    return "{" + ",".join(["NULL" if value is None else _quoted(value) for value in values]) + "}"


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
