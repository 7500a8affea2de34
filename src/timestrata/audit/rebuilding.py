"""Putting days right: the cells, alerts, worked time and seals of some of a user's days, from wherever their facts are.

What is archived is read before the user is locked, and counts only when the same parts are purged under the lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table, select

from timestrata import schema
from timestrata.audit import alerts
from timestrata.audit.chunks import ledger
from timestrata.audit.days import UNREADABLE_FACT, Terms, readable
from timestrata.audit.findings import FIRST_DAY, LAST_DAY, Findings, Naming
from timestrata.audit.worked import archived_worked
from timestrata.dialects import Write, measures_of
from timestrata.dimensions import Names
from timestrata.ingest import Context
from timestrata.manifest import Archived, Part, parts
from timestrata.measures import Cells, Key, Sums
from timestrata.proofs import (
    GRAINS,
    Mismatch,
    add_worked,
    cells_digests,
    fold_units,
    folded,
    grains,
    mismatches,
    read_cells,
    stored_cells,
)
from timestrata.stored import Span, Stored, Unit
from timestrata.tracking.rules import Transactions

_ATTEMPTS = 3
_NO_WORK = (0, 0)


class _Prepared(NamedTuple):
    """What the archive has of the days that are rebuilt."""

    span: Span
    purged: list[Part]
    """Of the span; of the whole user where worked time is rebuilt."""
    facts: dict[Unit, list[Archived]]
    refused: dict[Unit, str]
    """(user, day)s of which the archive is needed, and cannot be read."""
    worked: dict[Key, Sums] | None
    """What archived facts put into the worked time of the user; None: it is left as it is."""


class _Plan(NamedTuple):
    """What is written, and what is told of it."""

    writes: list[Write]
    units: set[Unit]
    """(user, day)s in which something is written."""
    changes: Findings
    left: Findings


class Rebuilding:
    """Rebuilds days, or tells what it would do."""

    def __init__(
        self, transactions: Transactions, terms: Terms, now: int, changes: Findings, left: Findings, dry_run: bool
    ) -> None:
        self.user_days = 0
        self._transactions = transactions
        self._terms = terms
        self._now = now
        self._changes = changes
        self._left = left
        self._dry_run = dry_run
        # What is wrong is met twice, in the archive and among the days; it stays wrong in a dry run.
        self._done: set[Unit] = set()
        self._done_worked: set[Unit] = set()

    def rebuild(self, units: set[Unit], worked: set[Unit]) -> None:
        """Rebuild (user, day)s, and the worked time of others, or of the same ones; each once."""
        units, worked = units - self._done, worked - self._done_worked
        self._done |= units
        self._done_worked |= worked
        for user_id, group in groupby(sorted(units | worked), key=lambda unit: unit[0]):
            days = set(group)
            self._rebuild(user_id, days & units, days & worked)

    def _rebuild(self, user_id: int, units: set[Unit], worked: set[Unit]) -> None:
        for _ in range(_ATTEMPTS):
            prepared = self._transactions.read(partial(self._prepare, user_id=user_id, units=units, worked=worked))
            if self._dry_run:
                done = self._transactions.read(partial(self._plan, prepared=prepared, units=units, worked=worked))
            else:
                done = self._transactions.write([], partial(self._write, prepared, units, worked))
            if done is not None:
                self._changes.merge(done.changes)
                self._left.merge(done.left)
                self.user_days += len(done.units)
                return
        self._left.merge(self._transactions.read(partial(self._overtaken, units=units | worked)))

    def _overtaken(self, connection: Connection, units: set[Unit]) -> Findings:
        left = self._left.fresh()
        for unit in sorted(units):
            reason = "the archived days of the user changed each time that they were read: try again"
            Naming(connection, Names(), left).add("archive", schema.archive_part.name, unit, reason)
        return left

    def _prepare(self, connection: Connection, user_id: int, units: set[Unit], worked: set[Unit]) -> _Prepared:
        days = [unit[1] for unit in units | worked]
        span = Span((user_id,), min(days), max(days))
        purged = parts(connection, span)
        wanted = [part for part in purged if part.unit in units]
        facts, refused = self._terms.source.facts(connection, Names(), wanted)
        cells: dict[Key, Sums] | None = None
        if worked:
            whole = (FIRST_DAY, LAST_DAY)
            cells, purged, reason = archived_worked(connection, self._terms.rules, self._terms.source, user_id, whole)
            if reason is not None:
                refused.update(dict.fromkeys(worked, reason))
        return _Prepared(span, purged, facts, refused, cells)

    def _write(self, prepared: _Prepared, units: set[Unit], worked: set[Unit], context: Context) -> _Plan | None:
        connection, users = context.connection, list(prepared.span.users)
        context.dialect.lock(connection, users, [])
        done = self._plan(connection, prepared, units, worked)
        if done is not None and done.units:
            counted = Write("merge", schema.user_state, [(users[0], 1, None, None)])
            context.dialect.apply(connection, [*done.writes, counted])
        return done

    def _plan(self, connection: Connection, prepared: _Prepared, units: set[Unit], worked: set[Unit]) -> _Plan | None:
        """Return what is to be written, and told; None when the archive's parts are others by now."""
        one = _OneUser(connection, self._terms, prepared, self._changes.fresh(), self._left.fresh())
        return one.plan(units, worked, self._now)


class _OneUser:
    """Days of one user in one transaction."""

    def __init__(
        self, connection: Connection, terms: Terms, prepared: _Prepared, changes: Findings, left: Findings
    ) -> None:
        self._connection = connection
        self._terms = terms
        self._prepared = prepared
        self._names = Names()
        self._changes = Naming(connection, self._names, changes)
        self._left = Naming(connection, self._names, left)
        self._writes: list[Write] = []
        self._changed: set[Unit] = set()

    def plan(self, units: set[Unit], worked: set[Unit], now: int) -> _Plan | None:
        """Return what makes these (user, day)s right, but for those that have to stay as they are."""
        connection, prepared, rules = self._connection, self._prepared, self._terms.rules
        span = prepared.span
        everywhere = span if prepared.worked is None else Span(span.users, FIRST_DAY, LAST_DAY)
        purged = parts(connection, everywhere)
        if purged != prepared.purged:
            return None
        facts, damaged = readable(connection, self._names, span)
        whole = self._without_refused(units | worked, damaged)
        units, worked = units & whole, worked & whole
        extra = [(one.filed, one.labels) for found in prepared.facts.values() for one in found]
        try:
            expected = folded(connection, self._names, rules, span, facts, extra, by_unit=fold_units(facts, rules))
        except UNREADABLE_FACT as error:
            self._refuse(whole, f"a workflow that was worked on cannot be read: {error!r}")
            return self._made()
        self._put_cells(expected, units)
        self._put_worked(expected, worked)
        self._put_seals(units, {part.unit for part in purged}, now)
        self._put_alerts(facts, units)
        return self._made()

    def _made(self) -> _Plan:
        return _Plan(self._writes, self._changed, self._changes.findings, self._left.findings)

    def _without_refused(self, units: set[Unit], damaged: Sequence[tuple[Any, str]]) -> set[Unit]:
        """Return the (user, day)s whose facts are all there."""
        refused = self._prepared.refused
        for unit in sorted(units & refused.keys()):
            self._refuse({unit}, f"the archive is needed: {refused[unit]}")
        units = units - refused.keys()
        unreadable = units & {(row.user_id, row.day) for row, _ in damaged}
        self._refuse(unreadable, "a workflow of it cannot be read")
        span = self._prepared.span
        # Where facts are missing the cells are all that is left of them.
        entries = ledger(self._connection, span.users, (span.first, span.last))
        missing = units & {(one.user_id, one.day) for one in entries if one.recorded != one.hot + one.purged}
        self._refuse(missing, "not as many workflows are in the tables and in the archive as were recorded")
        return units - unreadable - missing

    def _refuse(self, units: Iterable[Unit], reason: str) -> None:
        for unit in sorted(units):
            self._left.add("cell", schema.cell_completion.name, unit, f"left as it is: {reason}")

    def _put_cells(self, expected: Cells, units: set[Unit]) -> None:
        stored = stored_cells(self._connection, self._prepared.span)
        found = mismatches(Cells(stored.completion, stored.step), Cells(expected.completion, expected.step), units)
        self._put(found, stored, expected)

    def _put_worked(self, expected: Cells, worked: set[Unit]) -> None:
        archived = self._prepared.worked
        if archived is None or not worked:
            return
        span, table = self._prepared.span, schema.archived_worked
        stored = read_cells(self._connection, table, span)
        cells = dict(expected.worked)
        add_worked(cells, stored, -1)
        inside = {key: sums for key, sums in archived.items() if key[:2] in span and sums != _NO_WORK}
        add_worked(cells, inside)
        cells = {key: sums for key, sums in cells.items() if sums != _NO_WORK}
        held = Cells(worked=read_cells(self._connection, schema.cell_worked, span))
        self._put(mismatches(held, Cells(worked=cells), worked), held, Cells(worked=cells))
        self._put(archived_mismatches(stored, inside, worked), Cells(worked=stored), Cells(worked=inside), table)

    def _put(self, found: Iterable[Mismatch], stored: Cells, expected: Cells, table: Table | None = None) -> None:
        """Put the cells that differ in the place of those that are there."""
        keys: dict[str, set[Any]] = {}
        for mismatch in found:
            keys.setdefault(mismatch.table, set()).add(mismatch.key)
            self._changed.add((mismatch.key[0], mismatch.key[1]))
            self._changes.cell("cell", mismatch, "rebuilt from the facts")
        for each, have, want in zip(GRAINS, grains(stored), grains(expected), strict=True):
            one = table if table is not None and each is schema.cell_worked else each
            wrong = sorted(keys.get(one.name, ()))
            self._writes.append(Write("delete", one, [key for key in wrong if key in have]))
            self._writes.append(Write("insert", one, [key + tuple(want[key]) for key in wrong if key in want]))

    def _put_seals(self, units: set[Unit], sealed: set[Unit], now: int) -> None:
        facts = self._prepared.facts
        cells = Cells()
        for one in (one for found in facts.values() for one in found):
            cells.add(one.filed, one.labels, self._terms.rules.gap_threshold)
        digests = cells_digests(cells, facts.keys() & units)
        c = schema.day_seal.c
        rows = self._connection.execute(
            select(c.user_id, c.day, c.sealed_at, c.cells_digest).where(self._prepared.span.of(schema.day_seal))
        )
        stored = {(user_id, day): (at, bytes(digest)) for user_id, day, at, digest in rows}
        gone = {unit for unit in stored if unit in units and unit not in sealed}
        other = {unit for unit, digest in digests.items() if stored.get(unit, (0, b""))[1] != digest}
        for unit in sorted(gone | other):
            self._changed.add(unit)
            reason = "it is not sealed" if unit in gone else "the digest of its cells was taken from the archived facts"
            self._changes.add("seal", schema.day_seal.name, unit, reason)
        rows_put = [(*unit, stored.get(unit, (now, b""))[0], digests[unit]) for unit in sorted(other)]
        self._writes.append(Write("delete", schema.day_seal, sorted((gone | other) & stored.keys())))
        self._writes.append(Write("insert", schema.day_seal, rows_put))

    def _put_alerts(self, facts: Sequence[Stored], units: set[Unit]) -> None:
        hot = [(one.filed, one.labels, one.raw.number) for one in facts if one.raw.unit in units]
        archived = [
            (one.filed, one.labels, one.number)
            for unit, found in self._prepared.facts.items()
            if unit in units
            for one in found
        ]
        expected = alerts.made_alerts([*hot, *archived], self._terms.rules.gap_threshold)
        stored = alerts.stored_alerts(self._connection, self._prepared.span)
        found = {key: row for key, row in stored.rows.items() if key[:2] in units}
        wrong = list(alerts.differences(found, expected, self._terms.cleaned_before))
        for difference in wrong:
            self._changed.add((difference.key[0], difference.key[1]))
            alerts.tell(self._changes, difference)
        gone = [one.key for one in wrong if one.stored is not None]
        rows = [
            (*one.key, *one.expected, stored.dismissed.get(one.key) if _same_figures(one) else None)
            for one in wrong
            if one.expected is not None
        ]
        self._writes.append(Write("delete", schema.gap_alert, gone))
        self._writes.append(Write("insert", schema.gap_alert, rows))


def _same_figures(one: alerts.Difference) -> bool:
    """Tell whether an alert keeps its dismissal: other figures are news."""
    return one.stored is not None and one.expected is not None and one.stored[-2:] == one.expected[-2:]


def archived_mismatches(
    stored: dict[Key, Sums], expected: dict[Key, Sums], units: set[Unit] | None
) -> Iterator[Mismatch]:
    """Yield every integer of archived_worked that is not what the archived facts make it."""
    columns = [column.name for column in measures_of(schema.archived_worked)]
    for key in sorted({*stored, *expected}):
        have, want = stored.get(key), expected.get(key)
        if have == want or (units is not None and key[:2] not in units) or {have, want} == {None, _NO_WORK}:
            continue
        for place, column in enumerate(columns):
            values = [None if sums is None else sums[place] for sums in (have, want)]
            if values[0] != values[1]:
                yield Mismatch(schema.archived_worked.name, key, column, *values)  # type: ignore[arg-type]
