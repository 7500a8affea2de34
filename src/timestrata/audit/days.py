"""A span of days in one snapshot: what is stored beside what the facts make it.

Cells of days whose facts are in the tables are folded again. Those of sealed days are held against the digest that they
were sealed with; where facts came late, or the digest is another, the archive is read. Worked time is folded on every
day, on what archived facts have put into it by then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from timestrata import schema
from timestrata.audit import alerts, receipts, structure
from timestrata.audit.archives import Source
from timestrata.audit.findings import Findings, Naming
from timestrata.dimensions import Names
from timestrata.ingest import Rules
from timestrata.manifest import Part, parts
from timestrata.measures import Cells
from timestrata.proofs import (
    Mismatch,
    cells_digests,
    fold_units,
    folded,
    grains,
    mismatches,
    stored_cells,
)
from timestrata.stored import Span, Stored, Unit, read, read_raw, resolved

UNREADABLE_FACT = (ValueError, KeyError, TypeError, IndexError)
"""What reading a damaged fact raises; InvalidFact is a ValueError."""


class Terms(NamedTuple):
    """On what terms days are looked at."""

    rules: Rules
    source: Source
    cleaned_before: int
    """An alert of a workflow completed before this instant may have been cleaned away."""
    ask_archive: bool
    """Whether the archive is read where a sealed day is not as it was sealed; a deep audit has read it before."""


class Counts(NamedTuple):
    """What was looked at."""

    days_open: int
    days_sealed: int
    cells: int
    facts: int
    archived: int


def check(connection: Connection, findings: Findings, terms: Terms, span: Span) -> Counts:
    """Look at a span in one snapshot; add what is wrong to the findings."""
    found = findings.fresh()
    try:
        counts = _Days(connection, terms, span, found).check()
    except UNREADABLE_FACT as error:
        if len(span.users) == 1:
            # Of a workflow that was worked on here and completed on another day, where it is named.
            naming = Naming(connection, Names(), findings)
            reason = f"the days from {span.first} to {span.last} cannot be told: {error!r}"
            naming.add("fact", schema.completion.name, (span.users[0], None), reason)
            return Counts(0, 0, 0, 0, 0)
    else:
        findings.merge(found)
        return counts
    each = [check(connection, findings, terms, span._replace(users=(user_id,))) for user_id in span.users]
    return Counts(*map(sum, zip(*each, strict=True)))


def readable(connection: Connection, names: Names, span: Span) -> tuple[list[Stored], list[tuple[Any, str]]]:
    """Return the completions of a span, and the rows of those that cannot be read, with the reason."""
    try:
        return read(connection, names, span), []
    except UNREADABLE_FACT:
        facts: list[Stored] = []
        damaged: list[tuple[Any, str]] = []
        for raw in read_raw(connection, span.of(schema.completion)):
            try:
                facts.extend(resolved(connection, names, [raw]))
            except UNREADABLE_FACT as error:
                damaged.append((raw.completion, str(error)))
        return facts, damaged


class _Days:
    """One span in one snapshot."""

    def __init__(self, connection: Connection, terms: Terms, span: Span, findings: Findings) -> None:
        self._connection = connection
        self._terms = terms
        self._span = span
        self._names = Names()
        self._naming = Naming(connection, self._names, findings)

    def check(self) -> Counts:
        connection, span, terms = self._connection, self._span, self._terms
        facts, damaged = readable(connection, self._names, span)
        stored = stored_cells(connection, span)
        by_unit = fold_units(facts, terms.rules)
        sealed = _by_unit(parts(connection, span))
        archived, unknown = self._archived(stored, sealed, by_unit.keys())
        extra = [(one.filed, one.labels) for found in archived.values() for one in found]
        expected = folded(connection, self._names, terms.rules, span, facts, extra, by_unit=by_unit)
        wrong = self._compare(stored, expected, unknown | (sealed.keys() - archived.keys()))
        self._check_structure(stored, wrong)
        self._check_alerts(facts, stored, sealed, wrong)
        self._tell_damaged(damaged)
        receipts.check_facts(connection, self._naming, span, facts)
        return Counts(
            len(by_unit.keys() - sealed.keys()),
            len(sealed),
            sum(map(len, grains(stored))),
            len(facts) + len(damaged),
            len(extra),
        )

    # --------------------------------------------------------------------------------------------------------- cells

    def _archived(
        self, stored: Cells, sealed: dict[Unit, list[Part]], hot: Iterable[Unit]
    ) -> tuple[dict[Unit, Any], set[Unit]]:
        """Return the archived completions of the sealed days that have to be folded.

        Also the (user, day)s that would have to be, and cannot. The seals are held against the cells on the way.
        """
        seals = self._seals(sealed)
        digests = cells_digests(stored, sealed)
        late = sealed.keys() & set(hot)
        broken = {unit for unit in sealed.keys() - late if seals.get(unit) != digests[unit]}
        asked = late | broken
        if not asked:
            return {}, set()
        if not self._terms.ask_archive:
            for unit in sorted(broken - self._naming.findings.cells):
                self._tell_seal(unit, "its cells are not those that were sealed")
            return {}, asked
        wanted = [part for unit in sorted(asked) for part in sealed[unit]]
        found, missing = self._terms.source.facts(self._connection, self._names, wanted)
        for unit, reason in sorted(missing.items()):
            what = "its cells are not those that were sealed" if unit in broken else "facts came late"
            self._tell_seal(unit, f"{what}, and the archive is needed to say more: {reason}")
        archived = Cells()
        for one in (one for facts in found.values() for one in facts):
            archived.add(one.filed, one.labels, self._terms.rules.gap_threshold)
        for unit, digest in cells_digests(archived, found).items():
            if seals.get(unit, digest) != digest:
                self._tell_seal(unit, "its digest is not that of the cells that the archived facts make")
        return found, set(missing)

    def _seals(self, sealed: dict[Unit, list[Part]]) -> dict[Unit, bytes]:
        c = schema.day_seal.c
        rows = self._connection.execute(select(c.user_id, c.day, c.cells_digest).where(self._span.of(schema.day_seal)))
        seals = {(user_id, day): bytes(digest) for user_id, day, digest in rows}
        for unit in sorted(seals.keys() - sealed.keys()):
            self._tell_seal(unit, "the day is sealed, and none of its facts are in the archive")
        for unit in sorted(sealed.keys() - seals.keys()):
            self._tell_seal(unit, "facts are in the archive, and the day is not sealed")
        return seals

    def _tell_seal(self, unit: Unit, reason: str) -> None:
        self._naming.findings.units.add(unit)
        self._naming.add("seal", schema.day_seal.name, unit, reason)

    def _compare(self, stored: Cells, expected: Cells, unknown: set[Unit]) -> set[tuple[str, Any]]:
        """Tell every integer that is not what the facts make it; return the cells."""
        wrong: set[tuple[str, Any]] = set()
        for mismatch in mismatches(_without(stored, unknown), _without(expected, unknown)):
            wrong.add((mismatch.table, mismatch.key))
            self._naming.cell("cell", mismatch, _reason(mismatch))
        return wrong

    def _check_structure(self, stored: Cells, wrong: set[tuple[str, Any]]) -> None:
        for mismatch, reason in structure.faults(stored):
            if (mismatch.table, mismatch.key) not in wrong:
                wrong.add((mismatch.table, mismatch.key))
                self._naming.cell("structure", mismatch, reason)
        told = {key[:2] for _, key in wrong}
        for unit, reason in structure.day_faults(stored):
            if unit not in told:
                self._naming.findings.units.add(unit)
                self._naming.add("structure", schema.cell_completion.name, unit, reason)

    # -------------------------------------------------------------------------------------------------------- the rest

    def _check_alerts(
        self, facts: Sequence[Stored], stored: Cells, sealed: dict[Unit, list[Part]], wrong: set[tuple[str, Any]]
    ) -> None:
        made = [(one.filed, one.labels, one.raw.number) for one in facts]
        expected = alerts.made_alerts(made, self._terms.rules.gap_threshold)
        found = alerts.stored_alerts(self._connection, self._span).rows
        hot = {(one.raw.completion.user_id, one.raw.number) for one in facts} if sealed else set()
        own = {key: row for key, row in found.items() if key[:2] not in sealed or (key[0], key[2]) in hot}
        for difference in alerts.differences(own, expected, self._terms.cleaned_before):
            alerts.tell(self._naming, difference)
        if sealed:
            sound = sealed.keys() - {key[:2] for _, key in wrong}
            alerts.check_counts(self._naming, found, (stored.completion, stored.step), sound)

    def _tell_damaged(self, damaged: list[tuple[Any, str]]) -> None:
        for row, reason in damaged:
            reason = f"it cannot be read: {reason}"
            self._naming.add("fact", schema.completion.name, (row.user_id, row.day), reason, item=row.workflow_id)


def _by_unit(found: Iterable[Part]) -> dict[Unit, list[Part]]:
    units: dict[Unit, list[Part]] = {}
    for part in found:
        units.setdefault(part.unit, []).append(part)
    return units


def _without(cells: Cells, units: set[Unit]) -> Cells:
    """Return cells without those by completion and by step of some (user, day)s."""
    if not units:
        return cells
    completion, step = (
        {key: sums for key, sums in grain.items() if key[:2] not in units} for grain in (cells.completion, cells.step)
    )
    return Cells(completion, step, cells.worked)


def _reason(mismatch: Mismatch) -> str:
    if mismatch.stored is None:
        return "the facts make a cell that is not there"
    if mismatch.expected is None:
        return "no facts make this cell"
    if mismatch.table == schema.cell_worked.name:
        return "it is not what the facts in the tables, what the archived ones had put into it, and live work make it"
    return "it is not what the facts make it"
