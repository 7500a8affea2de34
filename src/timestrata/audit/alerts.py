"""Gap alerts beside the facts that make them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from timestrata import schema
from timestrata.audit.findings import Naming
from timestrata.calendar import instant
from timestrata.measures import Filed, Key, Labels, Sums, is_gap
from timestrata.stored import Span, Unit

AlertKey = tuple[int, int, int, int]
"""(user id, day, number, step id)."""
AlertRow = tuple[Any, ...]
"""The rest of the row, from the workflow id to the estimate."""

_COLUMNS = [column.name for column in schema.gap_alert.columns][4:-1]


class Found(NamedTuple):
    """The alerts of some days, and when they were dismissed."""

    rows: dict[AlertKey, AlertRow]
    dismissed: dict[AlertKey, int]


def stored_alerts(connection: Connection, span: Span) -> Found:
    """Return the alerts of a span."""
    rows: dict[AlertKey, AlertRow] = {}
    dismissed: dict[AlertKey, int] = {}
    for row in connection.execute(select(schema.gap_alert).where(span.of(schema.gap_alert))).fetchall():
        key: AlertKey = row[0], row[1], row[2], row[3]
        rows[key] = tuple(row[4:-1])
        if row.dismissed_at is not None:
            dismissed[key] = row.dismissed_at
    return Found(rows, dismissed)


def made_alerts(facts: Iterable[tuple[Filed, Labels, int]], threshold: Fraction) -> dict[AlertKey, AlertRow]:
    """Return the alerts that facts make, (filed, labels, number) each."""
    rows: dict[AlertKey, AlertRow] = {}
    for filed, labels, number in facts:
        workflow = filed.workflow
        shown = (workflow.workflow_id, workflow.ticket_key, labels.ticket_type, labels.template)
        at = instant(workflow.completed_at)
        whole = (schema.WHOLE, workflow.active_seconds, workflow.estimated_seconds)
        steps = zip(labels.steps, workflow.steps, strict=True)
        for step, actual, estimated in (whole, *((s, one.active_seconds, one.estimated_seconds) for s, one in steps)):
            if is_gap(actual, estimated, threshold):
                rows[labels.user, filed.day, number, step] = (*shown, at, actual, estimated)  # type: ignore[index]
    return rows


class Difference(NamedTuple):
    """An alert that is not what it must be; None: there is none, or there must be none."""

    key: AlertKey
    stored: AlertRow | None
    expected: AlertRow | None


def differences(
    stored: Mapping[AlertKey, AlertRow], expected: Mapping[AlertKey, AlertRow], cleaned_before: int
) -> Iterator[Difference]:
    """Yield the alerts that differ, in order.

    One of a workflow completed before an instant may be missing: it was dismissed, perhaps, and cleaned away.
    """
    if stored == expected:
        return
    for key in sorted({*stored, *expected}):
        have, want = stored.get(key), expected.get(key)
        if have != want and not (have is None and want is not None and want[4] < cleaned_before):
            yield Difference(key, have, want)


def tell(naming: Naming, difference: Difference) -> None:
    """Add an alert that differs to what is found."""
    key, stored, expected = difference
    unit = key[0], key[1]
    naming.findings.units.add(unit)
    shown = stored or expected
    assert shown is not None
    item = f"{shown[0]}, " + ("the whole" if key[3] == schema.WHOLE else f"step #{key[3]}")
    if stored is None or expected is None:
        reason = "the workflow makes none" if expected is None else "the workflow makes one that is not there"
        naming.add("alert", schema.gap_alert.name, unit, reason, item=item)
        return
    for column, have, want in zip(_COLUMNS, stored, expected, strict=True):
        if have != want:
            whole = isinstance(have, int)
            reason = "it is not that of the workflow" if whole else f"it is {have!r}, not {want!r}"
            values = {"stored": have, "expected": want} if whole else {}
            naming.add("alert", schema.gap_alert.name, unit, reason, item=item, column=column, **values)


def check_counts(
    naming: Naming,
    stored: Iterable[AlertKey],
    cells: tuple[Mapping[Key, Sums], Mapping[Key, Sums]],
    units: Iterable[Unit],
) -> None:
    """Hold the number of alerts of sealed days against that in their cells; dismissed ones may be gone."""
    sealed = set(units)
    most: dict[tuple[Unit, bool], int] = {}
    for grain, whole in zip(cells, (True, False), strict=True):
        for key, sums in grain.items():
            unit: Unit = key[0], key[1]  # type: ignore[assignment]
            if unit in sealed and sums[9]:
                most[unit, whole] = most.get((unit, whole), 0) + sums[9]
    held: dict[tuple[Unit, bool], int] = {}
    for user_id, day, _, step in stored:
        if (user_id, day) in sealed:
            place = (user_id, day), step == schema.WHOLE
            held[place] = held.get(place, 0) + 1
    for (unit, whole), count in sorted(held.items()):
        limit = most.get((unit, whole), 0)
        if count > limit:
            naming.findings.units.add(unit)
            reason = f"the aggregates of {'workflows' if whole else 'steps'} count fewer"
            naming.add("alert", schema.gap_alert.name, unit, reason, column="count", stored=count, expected=limit)
