"""The facts that are in the tables, many users and days at once, with the ids that their cells are keyed by.

For what goes through all of them: archiving, verifying, rebuilding. Single facts are read by recorded.py.
"""

from __future__ import annotations

from collections import defaultdict, namedtuple
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table, and_, select
from sqlalchemy.sql import ColumnElement

from timestrata import schema
from timestrata.calendar import DAY_MICROSECONDS
from timestrata.dialects import dialect_of
from timestrata.dimensions import Names
from timestrata.measures import Filed, Labels
from timestrata.packed import unpack
from timestrata.recorded import assemble

Unit = tuple[int, int]
"""(user id, local day): what is sealed, archived and purged as one."""


class Span(NamedTuple):
    """Days of some users, first and last included."""

    users: Sequence[int]
    first: int
    last: int

    def of(self, table: Table) -> ColumnElement[bool]:
        """Return the condition that a row of a table with `user_id` and `day` lies in it."""
        c = table.c
        return and_(c.user_id.in_(self.users), c.day.between(self.first, self.last))

    def __contains__(self, unit: object) -> bool:
        return isinstance(unit, tuple) and unit[0] in self.users and self.first <= unit[1] <= self.last


class Raw(NamedTuple):
    """The rows of one completion, as they are in the tables."""

    completion: Any
    sessions: list[Any]
    pauses: list[Any]
    parts: list[Any]

    @property
    def unit(self) -> Unit:
        """Where it is filed."""
        return self.completion.user_id, self.completion.day

    @property
    def number(self) -> int:
        """The number of the completion, among those of its user."""
        return int(self.completion.number)


class Stored(NamedTuple):
    """A completion as it is stored: as a fact with its days, and by ids."""

    raw: Raw
    filed: Filed
    labels: Labels


def _row_type(table: Table) -> Any:
    return namedtuple(table.name, table.columns.keys())


_SESSION, _PAUSE, _PART = (_row_type(table) for table in (schema.session, schema.pause, schema.session_part))


def read(connection: Connection, names: Names, span: Span) -> list[Stored]:
    """Return the completions of some days, by user, day and number."""
    return resolved(connection, names, read_raw(connection, span.of(schema.completion)))


def read_raw(connection: Connection, where: ColumnElement[bool]) -> list[Raw]:
    """Return the rows of the completions that a condition chooses, by user, day and number."""
    table = schema.completion
    found = connection.execute(select(table).where(where).order_by(*table.primary_key)).fetchall()
    dialect = dialect_of(connection)
    keys = [(row.user_id, row.number) for row in found]
    sessions = _grouped(dialect.matching(connection, schema.session, keys), _SESSION)
    if not sessions:
        return [Raw(row, [], [], []) for row in found]
    worked = [key for key in keys if key in sessions]
    pauses = _grouped(dialect.matching(connection, schema.pause, worked), _PAUSE)
    parts = _grouped(dialect.matching(connection, schema.session_part, _part_keys(sessions)), _PART)
    for group in parts.values():
        group.sort(key=lambda part: (part.ordinal, part.day))
    nothing: list[Any] = []
    return [
        Raw(row, sessions.get(key, nothing), pauses.get(key, nothing), parts.get(key, nothing))
        for key, row in zip(keys, found, strict=True)
    ]


def _grouped(rows: Iterable[Any], kind: Any) -> dict[tuple[int, int], list[Any]]:
    groups: dict[tuple[int, int], list[Any]] = defaultdict(list)
    for row in map(kind._make, rows):
        groups[row.user_id, row.number].append(row)
    return dict(groups)


def _part_keys(sessions: dict[tuple[int, int], list[Any]]) -> list[tuple[int, int, int]]:
    # The days that a session can lie on: those of UTC, and as much wider as zones and the start of the day shift them.
    return [
        (user_id, day, number)
        for (user_id, number), group in sessions.items()
        for day in sorted(
            {
                day
                for one in group
                for day in range(one.started_at // DAY_MICROSECONDS - 2, one.ended_at // DAY_MICROSECONDS + 3)
            }
        )
    ]


def resolved(connection: Connection, names: Names, rows: Sequence[Raw]) -> list[Stored]:
    """Return completions as facts, from their rows."""
    found = [raw.completion for raw in rows]
    packed = [unpack(row.steps) for row in found]
    names.learn(
        connection,
        {row.user_id for row in found},
        {row.ticket_type_id for row in found},
        {row.template_id for row in found},
        {step.step_id for steps in packed for step in steps},
    )
    return [
        Stored(
            raw,
            assemble(row, _names(names, row), names.steps, (raw.sessions, raw.pauses, raw.parts)),
            Labels(row.user_id, row.ticket_type_id, row.template_id, tuple([step.step_id for step in steps])),
        )
        for raw, row, steps in zip(rows, found, packed, strict=True)
    ]


def _names(names: Names, row: Any) -> tuple[str, str, str]:
    return names.users[row.user_id], names.ticket_types[row.ticket_type_id], names.templates[row.template_id]


def raw_digests(rows: Iterable[Raw]) -> dict[Unit, bytes]:
    """Return a digest of all that is stored of each user and day; another one when anything of it was changed."""
    digests: dict[Unit, Any] = {}
    for raw in rows:
        digest = digests.get(raw.unit)
        if digest is None:
            digest = digests[raw.unit] = blake2b(digest_size=16)
        digest.update(repr(tuple(raw.completion)).encode())
        if raw.sessions:
            digest.update(repr([tuple(row) for rows in raw[1:] for row in rows]).encode())
    return {unit: digest.digest() for unit, digest in digests.items()}
