"""The columns of a file and their types, and rows as tables of them. Needs pyarrow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from timestrata.archive.rows import Row

KEYS = ["user_id", "day", "digest"]
"""The columns that tell which rows are wanted, and the digest of each row."""

NAMES = [
    "user_id", "day", "ticket_key", "ticket_type", "template", "timezone", "attributes",
    "steps.list.element.index", "steps.list.element.name", "steps.list.element.visits",
]  # fmt: skip
"""Columns whose values come again and again."""


def _schema(at: Any, day: Any) -> Any:
    def needed(name: str, kind: Any) -> Any:
        return pa.field(name, kind, nullable=False)

    def many(*fields: Any) -> Any:
        return pa.list_(needed("element", pa.struct(fields)))

    def texts(*names: str) -> list[Any]:
        return [needed(name, pa.string()) for name in names]

    whole, number = pa.int64(), pa.int32()
    seconds = [needed("active_seconds", whole), needed("paused_seconds", whole)]
    estimate = pa.field("estimated_seconds", whole)
    pauses = many(needed("paused_at", at), needed("resumed_at", at))
    sessions = many(needed("started_at", at), needed("ended_at", at), *seconds, needed("pauses", pauses))
    named = [needed("index", number), *texts("name")]
    steps = many(*named, *seconds, needed("visits", number), estimate, needed("sessions", sessions))
    worked = many(needed("session", number), needed("day", day), needed("seconds", whole))
    return pa.schema(
        [
            *texts("user_id"),
            needed("day", day),
            needed("number", whole),
            *texts("workflow_id", "ticket_key", "ticket_type", "template"),
            needed("started_at", at),
            needed("completed_at", at),
            *texts("timezone"),
            *seconds,
            estimate,
            pa.field("attributes", pa.string()),
            needed("steps", steps),
            needed("worked", worked),
            needed("digest", pa.binary(16)),
        ]
    )


SCHEMA = _schema(pa.timestamp("us", tz="UTC"), pa.date32())
"""The columns of a file."""

# Instants and days as the whole numbers that they are in a row: making dates and times of them takes twice as long.
_PLAIN = _schema(pa.int64(), pa.int32())


def table_of(rows: Sequence[Row], digests: Sequence[bytes]) -> Any:
    """Return rows and their digests as a table of a file."""
    arrays = [pa.array([row[field.name] for row in rows], field.type) for field in SCHEMA if field.name != "digest"]
    return pa.Table.from_arrays([*arrays, pa.array(digests, pa.binary(16))], schema=SCHEMA)


def rows_of(table: Any) -> list[Row]:
    """Return the rows of a table of a file, each with its `digest`."""
    rows: list[Row] = table.cast(_PLAIN).to_pylist()
    return rows
