"""The rows of one workflow, put together: what they must agree on, what is summed, and what is taken when none says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar, cast

from timestrata.errors import InvalidFact, InvalidInput, shown
from timestrata.facts import MAX_TEXT, CompletedWorkflow, StepTime
from timestrata.formats.columns import Columns
from timestrata.formats.mapping import ColumnMapping
from timestrata.formats.rows import Row

DEFAULT_STEP_NAME = "Work"

T = TypeVar("T", str, int)


class Assembly:
    """Makes workflows of rows. Every refusal is an InvalidInput with line and column."""

    def __init__(self, mapping: ColumnMapping, columns: Columns) -> None:
        self._mapping = mapping
        self._columns = columns
        self._estimates = {name: f"{name}_{mapping.unit(name)}" for name in ("estimated", "step_estimated")}

    def workflow(self, key: tuple[str, str], rows: Sequence[Row]) -> tuple[CompletedWorkflow, tuple[str, ...]]:
        """Return the workflow of (user, workflow id), and the notes on it."""
        steps = self._steps(rows)
        attributes = _attributes(rows)
        notes = [
            f"attribute {name}: {len(values)} values, the first is kept"
            for name, values in attributes.items()
            if values[1:]
        ]
        completed_at = self._completed_at(rows)
        started_at = min((row.started_at for row in rows if row.started_at is not None), default=None)
        try:
            if started_at is None:
                started_at = _before(completed_at, steps)
                if "started_at" in self._mapping.fields:
                    notes.append("started_at: no value, taken as completed_at minus the active seconds")
            workflow = CompletedWorkflow(
                workflow_id=key[1],
                user_id=key[0],
                ticket_key=self._text(rows, "ticket_key") or key[1],
                ticket_type=self._ticket_type(rows),
                template=self._text(rows, "template") or self._ticket_type(rows),
                started_at=started_at,
                completed_at=completed_at,
                steps=steps,
                estimated_seconds=self._seconds(rows, "estimated"),
                timezone=self._text(rows, "timezone"),
                attributes={name: values[0] for name, values in attributes.items()},
            )
        except InvalidFact as error:
            raise self._columns.refusal(rows[0].line, error) from error
        return workflow, tuple(notes)

    def _steps(self, rows: Sequence[Row]) -> tuple[StepTime, ...]:
        """Return a step for each step index or, where a row has none, each name, in order of first appearance."""
        visits: dict[int | str, list[Row]] = {}
        for row in rows:
            name = row.texts["step_name"] or DEFAULT_STEP_NAME
            visits.setdefault(name if row.step_index is None else row.step_index, []).append(row)
        return tuple(self._step(position, visited) for position, visited in enumerate(visits.values()))

    def _step(self, position: int, rows: Sequence[Row]) -> StepTime:
        index = rows[0].step_index
        sessions = tuple(row.session for row in rows if row.session is not None)
        active = None if sessions else sum(row.durations["active"] or 0 for row in rows)
        name = self._text(rows, "step_name") or DEFAULT_STEP_NAME
        estimate = self._seconds(rows, "step_estimated")
        try:
            return StepTime(position if index is None else index, name, cast(int, active), estimate, sessions)
        except InvalidFact as error:
            raise self._columns.refusal(rows[0].line, error.under("steps")) from error

    def _text(self, rows: Sequence[Row], target: str) -> str | None:
        return self._agreed(rows, target, lambda row: row.texts[target])

    def _seconds(self, rows: Sequence[Row], duration: str) -> int | None:
        return self._agreed(rows, self._estimates[duration], lambda row: row.durations.get(duration))

    def _agreed(self, rows: Sequence[Row], target: str, value_of: Callable[[Row], T | None]) -> T | None:
        """Return the value that all rows which have one share."""
        agreed, said = None, 0
        for row in rows:
            value = value_of(row)
            if value is None or value == agreed:
                continue
            if agreed is not None:
                problem = f"found {shown(value)}, want {shown(agreed)} as in line {said}: it is the same workflow"
                raise InvalidInput(row.line, self._columns.label(target), problem)
            agreed, said = value, row.line
        return agreed

    def _ticket_type(self, rows: Sequence[Row]) -> str:
        ticket_type = self._text(rows, "ticket_type")
        if ticket_type is None:
            raise self._missing(rows, "ticket_type", f"text of 1 to {MAX_TEXT} characters")
        return ticket_type

    def _completed_at(self, rows: Sequence[Row]) -> datetime:
        """Return the latest completion the rows name, else the end of the last session."""
        ends = (row.session.ended_at for row in rows if row.session is not None)
        named = (row.completed_at for row in rows if row.completed_at is not None)
        completed_at = max(named, default=None) or max(ends, default=None)
        if completed_at is None:
            raise self._missing(rows, "completed_at", "when the workflow was completed")
        return completed_at

    def _missing(self, rows: Sequence[Row], target: str, wanted: str) -> InvalidInput:
        return InvalidInput(rows[0].line, self._columns.label(target), f"no value, want {wanted}")


def _before(completed_at: datetime, steps: Sequence[StepTime]) -> datetime:
    try:
        return completed_at - timedelta(seconds=sum(step.active_seconds for step in steps))
    except OverflowError as error:
        raise InvalidFact("completed_at", completed_at.isoformat(), "a later time") from error


def _attributes(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Return the values of each attribute that has one, each once, in order of first appearance."""
    values: dict[str, dict[str, None]] = {}
    for row in rows:
        for name, value in row.attributes.items():
            if value is not None:
                values.setdefault(name, {})[value] = None
    return {name: list(found) for name, found in values.items()}
