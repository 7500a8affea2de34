"""Promise 1 as a calculation: the cells that the facts of some days make, beside those that are stored.

A cell by completion or by step rests on the completions of its own day. A cell of worked time rests on everything that
was worked on that day: the parts of sessions whose workflow was completed on any day, what is already archived, and
tracked workflows that are not recorded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table, and_, select

from timestrata import schema
from timestrata.calendar import local_days
from timestrata.dialects import measures_of
from timestrata.dimensions import Names
from timestrata.ingest import Rules
from timestrata.live import worked_cells
from timestrata.measures import Cells, Filed, Key, Labels, Sums
from timestrata.stored import Span, Stored, Unit, read_raw, resolved
from timestrata.tracking.rows import read_live, workflow_rows

GRAINS = (schema.cell_completion, schema.cell_step, schema.cell_worked)
"""The tables of Cells, in its order."""

_NO_WORK = (0, 0)


class Mismatch(NamedTuple):
    """One integer of a cell that is not what the facts make it. None: there is no such cell."""

    table: str
    key: tuple[int, ...]
    """The cell's primary key: user id, day, dimensions."""
    column: str
    stored: int | None
    expected: int | None


def grains(cells: Cells) -> tuple[dict[Key, Sums], dict[Key, Sums], dict[Key, Sums]]:
    """Return the cells by table, in the order of GRAINS."""
    return cells.completion, cells.step, cells.worked


def stored_cells(connection: Connection, span: Span) -> Cells:
    """Return the cells of some days as they are stored."""
    return Cells(*(read_cells(connection, table, span) for table in GRAINS))


def read_cells(connection: Connection, table: Table, span: Span) -> dict[Key, Sums]:
    """Return the cells of one table, by primary key."""
    width = len(table.primary_key)
    rows = connection.execute(select(table).where(span.of(table)).order_by(*table.primary_key))
    return {row[:width]: row[width:] for row in map(tuple, rows.fetchall())}


def folded(
    connection: Connection,
    names: Names,
    rules: Rules,
    span: Span,
    facts: Sequence[Stored],
    archived: Iterable[tuple[Filed, Labels]] = (),
    *,
    by_unit: Mapping[Unit, Cells] | None = None,
) -> Cells:
    """Return the cells that stand on some days by definition.

    `facts` are the completions of these days that are in the tables, `archived` the purged ones; `by_unit` what the
    former make, where that is known. Needs one snapshot.
    """
    cells = Cells()
    for one in (fold_units(facts, rules) if by_unit is None else by_unit).values():
        cells.completion.update(one.completion)
        cells.step.update(one.step)
        add_worked(cells.worked, one.worked)
    known = {(one.raw.completion.user_id, one.raw.number) for one in facts}
    worked = Cells(worked=cells.worked)
    for other in _worked_elsewhere(connection, names, span, known):
        worked.add(other.filed, other.labels, rules.gap_threshold)
    purged = Cells(cells.completion, cells.step)
    for filed, labels in archived:  # what they worked is in archived_worked
        purged.add(filed, labels, rules.gap_threshold)
    for more in (read_cells(connection, schema.archived_worked, span), _live(connection, rules, span)):
        add_worked(cells.worked, more)
    inside = {key: sums for key, sums in cells.worked.items() if key[:2] in span and sums != _NO_WORK}
    return Cells(cells.completion, cells.step, inside)


def fold_units(facts: Iterable[Stored], rules: Rules) -> dict[Unit, Cells]:
    """Return what the completions of each user and day put into the cells, of that day and of those worked on."""
    units: dict[Unit, Cells] = defaultdict(Cells)
    for one in facts:
        units[one.raw.unit].add(one.filed, one.labels, rules.gap_threshold)
    return dict(units)


def add_worked(cells: dict[Key, Sums], more: Mapping[Key, Sums], sign: int = 1) -> None:
    """Add worked time to cells, or take it away."""
    for key, sums in more.items():
        seconds, sessions = cells.get(key, _NO_WORK)
        cells[key] = (seconds + sign * sums[0], sessions + sign * sums[1])


def _worked_elsewhere(
    connection: Connection, names: Names, span: Span, known: set[tuple[int, int]]
) -> Iterator[Stored]:
    """Yield the completions of other days that were worked on, on these days."""
    c = schema.session_part.c
    rows = connection.execute(select(c.user_id, c.number).where(span.of(schema.session_part)).distinct())
    missing: dict[int, list[int]] = defaultdict(list)
    for user_id, number in rows:
        if (user_id, number) not in known:
            missing[user_id].append(number)
    done = schema.completion.c
    for user_id, numbers in sorted(missing.items()):
        wanted = set(numbers)
        # Most are completed soon after; there is no index by number.
        for days in (done.day.between(span.last + 1, span.last + 7), ~done.day.between(span.first, span.last + 7)):
            if not wanted:
                break
            here = and_(done.user_id == user_id, days, done.number.in_(sorted(wanted)))
            found = read_raw(connection, here)
            wanted -= {raw.number for raw in found}
            yield from resolved(connection, names, found)


def _live(connection: Connection, rules: Rules, span: Span) -> dict[Key, Sums]:
    """Return what tracked workflows that are not recorded have put into the worked time."""
    cells: dict[Key, Sums] = {}
    c = schema.workflow.c
    unrecorded = and_(c.user_id.in_(span.users), c.state != schema.COMPLETED)
    users = connection.execute(select(c.user_id).where(unrecorded).distinct()).scalars().all()
    for user_id in users:
        rows = workflow_rows().where(c.user_id == user_id, c.state != schema.COMPLETED)
        for live in read_live(connection, rows):
            days = local_days(live.started.timezone, rules.day_start_seconds)
            key = (live.user_id, live.ticket_type_id, live.template_id)
            add_worked(cells, worked_cells(live.work, days, key))
    return cells


def mismatches(stored: Cells, expected: Cells, units: set[Unit] | None = None) -> Iterator[Mismatch]:
    """Yield every integer in which stored cells differ, of all units or of some, by table and key."""
    for table, have, want in zip(GRAINS, grains(stored), grains(expected), strict=True):
        columns = [column.name for column in measures_of(table)]
        if have == want:
            continue
        for key in sorted({*have, *want}):
            if units is None or key[:2] in units:
                yield from _cell_mismatches(table, columns, key, have.get(key), want.get(key))


def _cell_mismatches(
    table: Table, columns: Sequence[str], key: Any, have: Sums | None, want: Sums | None
) -> Iterator[Mismatch]:
    if have == want or (table is schema.cell_worked and _NO_WORK in (have, want) and None in (have, want)):
        return
    for place, column in enumerate(columns):
        stored, expected = (None if sums is None else sums[place] for sums in (have, want))
        if stored != expected:
            yield Mismatch(table.name, key, column, stored, expected)


def cells_digests(cells: Cells, units: Iterable[Unit]) -> dict[Unit, bytes]:
    """Return the digest of each unit's cells by completion and by step, 16 bytes BLAKE2b; also of units without any."""
    digests: dict[Unit, Any] = {unit: blake2b(digest_size=16) for unit in units}
    for grain in (cells.completion, cells.step):
        for key in sorted(grain):
            digest = digests.get((key[0], key[1]))  # type: ignore[arg-type]
            if digest is not None:
                digest.update(repr((len(key), *key, *grain[key])).encode())
    return {unit: digest.digest() for unit, digest in digests.items()}
