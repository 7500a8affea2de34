"""What an audit finds, with names instead of ids, and what it returns."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from sqlalchemy import Connection, select

from timestrata import schema
from timestrata.calendar import day_date, day_number
from timestrata.dimensions import Names
from timestrata.facts import MAX_SECONDS
from timestrata.measures import Key, bucket_range, duration_bucket
from timestrata.proofs import Mismatch
from timestrata.stored import Unit

MOST_LISTED = 1000
_MOST_CELLS = 100_000
FIRST_DAY, LAST_DAY = day_number(date.min), day_number(date.max)
LAST_BUCKET = duration_bucket(MAX_SECONDS)

Kind = Literal["cell", "structure", "seal", "alert", "receipt", "fact", "stray", "archive"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not what it must be.

    cell: an integer is not what the facts make it. structure: a cell that no facts could make. seal: the cells of a
    sealed day are not those that were sealed. alert, receipt, fact: one of these is missing, or not what it must be.
    stray: a row of a user or day that cannot be. archive: a file, or rows of it, cannot be read or were changed.
    """

    kind: Kind
    place: str
    """A table, or a file of the archive."""
    user_id: str | None
    """None for a whole file; #7 for an id that has no name."""
    day: date | None
    item: str | None
    """What a cell is about (ticket type and template, or template and step, and the durations in it), or a workflow."""
    column: str | None
    stored: int | None
    """None: there is no such row, or it is no integer."""
    expected: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class AuditProgress:
    """How far an audit is. The archive comes first (`place` is its file), then the users."""

    place: str
    done: int
    total: int
    """Files, or users."""
    completions: int
    """Looked at so far, in the tables and in the archive."""
    seconds: float

    @property
    def rate(self) -> float:
        """Completions a second."""
        return self.completions / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True)
class Verification:
    """What an audit looked at, and what is wrong. `ok` when nothing is, and it came to its end."""

    ok: bool
    deep: bool
    started_at: datetime
    finished_at: datetime
    users: int
    days_open: int
    """(user, day)s whose facts are all in the tables."""
    days_sealed: int
    """(user, day)s with facts in the archive."""
    cells: int
    facts: int
    """Completions in the tables."""
    archived_facts: int
    """Completions read from the archive."""
    archive_files: int
    """Files read whole; only a deep audit does."""
    unsettled_users: int
    """Users whose archived days changed while a deep audit read them: their archived worked time was not compared."""
    stopped: bool
    problem_count: int
    problems: tuple[Problem, ...]
    """At most 1,000 of them."""


@dataclass(frozen=True, slots=True)
class Rebuild:
    """What was put right, or would be. `ok` when nothing is left that is wrong, and it came to its end."""

    ok: bool
    dry_run: bool
    started_at: datetime
    finished_at: datetime
    users: int
    user_days: int
    """(user, day)s in which something was written, or would be."""
    stopped: bool
    change_count: int
    changes: tuple[Problem, ...]
    """Each integer as it was stored and as it is now; at most 1,000."""
    left_count: int
    left: tuple[Problem, ...]
    """What rebuilding cannot put right, or what it needs the archive for, which cannot be read; at most 1,000."""


class Findings:
    """Problems as they are found: all are counted, the first ones named.

    A snapshot is looked at with fresh ones, which are added when it is done: it may be read twice, when a connection
    breaks.
    """

    def __init__(self, most: int = MOST_LISTED) -> None:
        self.problems: list[Problem] = []
        self.counts: dict[Kind, int] = {}
        self.cells: set[Unit] = set()
        """(user, day)s whose cells are known not to be those that were sealed, as far as they fit into memory."""
        self.units: set[Unit] = set()
        """(user, day)s to rebuild, but for their worked time."""
        self.worked: set[Unit] = set()
        """(user, day)s whose worked time is to be rebuilt."""
        self._most = most

    def fresh(self) -> Findings:
        """Return findings for a part of what is looked at."""
        made = Findings(self._most - len(self.problems))
        made.cells = self.cells
        return made

    def merge(self, other: Findings) -> None:
        """Add those of a part."""
        self.problems.extend(other.problems[: self._most - len(self.problems)])
        for kind, count in other.counts.items():
            self.counts[kind] = self.counts.get(kind, 0) + count
        self.units |= other.units
        self.worked |= other.worked

    def add(self, problem: Problem) -> None:
        """Add a problem."""
        self.count_one(problem.kind)
        if not self.full:
            self.problems.append(problem)

    def count_one(self, kind: Kind) -> None:
        """Count a problem that nobody names."""
        self.counts[kind] = self.counts.get(kind, 0) + 1

    def count(self, *kinds: Kind) -> int:
        """Return how many problems there are, of some kinds or of all."""
        return sum(count for kind, count in self.counts.items() if not kinds or kind in kinds)

    @property
    def full(self) -> bool:
        """Whether further problems are only counted, so that nobody need look their names up."""
        return len(self.problems) >= self._most


class Naming:
    """Adds what is found by ids to findings, with the names that they have in one snapshot."""

    def __init__(self, connection: Connection, names: Names, findings: Findings) -> None:
        self._connection = connection
        self._names = names
        self.findings = findings

    def add(
        self,
        kind: Kind,
        place: str,
        unit: tuple[int, int | None],
        reason: str,
        *,
        item: str | None = None,
        column: str | None = None,
        stored: int | None = None,
        expected: int | None = None,
    ) -> None:
        """Add a problem of a user, and day."""
        if self.findings.full:
            self.findings.count_one(kind)
            return
        user_id, day = unit
        if day is not None and not FIRST_DAY <= day <= LAST_DAY:
            reason, day = f"{reason} (day {day})", None
        on = None if day is None else day_date(day)
        # str: the names of tables and columns are a kind of text that belongs to SQLAlchemy.
        place, column = str(place), None if column is None else str(column)
        self.findings.add(Problem(kind, place, self.user(user_id), on, item, column, stored, expected, reason))

    def cell(self, kind: Kind, mismatch: Mismatch, reason: str) -> None:
        """Add a problem of an integer of a cell."""
        table, key, column, stored, expected = mismatch
        unit = (key[0], key[1])
        if table in (schema.cell_worked.name, schema.archived_worked.name):
            self.findings.worked.add(unit)
        else:
            self.findings.units.add(unit)
            if len(self.findings.cells) < _MOST_CELLS:
                self.findings.cells.add(unit)
        item = None if self.findings.full else self.item(table, key)
        self.add(kind, table, unit, reason, item=item, column=column, stored=stored, expected=expected)

    def user(self, user_id: int) -> str:
        """Return a user's name."""
        self._names.learn(self._connection, users=[user_id])
        return self._names.users.get(user_id, f"#{user_id}")

    def item(self, table: str, key: Key) -> str:
        """Return what a cell is about, besides its user and day."""
        if table == schema.cell_step.name:
            _, _, step, bucket = key
            return f"{self._step(step)}, {durations(bucket)}"
        _, _, ticket_type, template, *bucket = key  # type: ignore[assignment]
        about = f"{self._ticket_type(ticket_type)}, {self._template(template)}"
        return f"{about}, {durations(bucket[0])}" if bucket else about  # type: ignore[index]

    def _ticket_type(self, number: object) -> str:
        assert isinstance(number, int)
        self._names.learn(self._connection, ticket_types=[number])
        return self._names.ticket_types.get(number, f"ticket type #{number}")

    def _template(self, number: object) -> str:
        assert isinstance(number, int)
        self._names.learn(self._connection, templates=[number])
        return self._names.templates.get(number, f"template #{number}")

    def _step(self, number: object) -> str:
        assert isinstance(number, int)
        self._names.learn(self._connection, steps=[number])
        if number not in self._names.steps:
            return f"step #{number}"
        c = schema.step.c
        template = self._connection.execute(select(c.template_id).where(c.step_id == number)).scalar_one()
        index, name = self._names.steps[number]
        return f"{self._template(template)}, step {index} {name}"


def durations(bucket: object) -> str:
    """Return the durations of a bucket in words."""
    assert isinstance(bucket, int)
    if not 0 <= bucket <= LAST_BUCKET:
        return f"bucket {bucket}"
    low, high = bucket_range(bucket)
    return f"{low} s" if low == high else f"{low} to {high} s"
