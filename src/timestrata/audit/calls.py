"""The audit of a store: verify() looks, rebuild() puts right what can be."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection, Select, Table, delete, select

from timestrata import schema
from timestrata.archive import Archive
from timestrata.audit import chunks, receipts
from timestrata.audit.archives import Source
from timestrata.audit.days import Counts, Terms, check
from timestrata.audit.files import ArchiveAudit
from timestrata.audit.findings import FIRST_DAY, LAST_DAY, AuditProgress, Findings, Kind, Naming, Rebuild, Verification
from timestrata.audit.rebuilding import Rebuilding, archived_mismatches
from timestrata.audit.worked import WorkedSums, archived_worked, part_sum, stored_worked, weighted
from timestrata.calendar import DateRange, day_number, instant, moment
from timestrata.dimensions import Names
from timestrata.errors import UnknownUser
from timestrata.facts import askable
from timestrata.ingest import Context, Rules
from timestrata.manifest import parts
from timestrata.stored import Span
from timestrata.tracking.rules import Transactions

T = TypeVar("T")
Progress = Callable[[AuditProgress], None]

_WHOLE = (FIRST_DAY, LAST_DAY)
_DERIVED = (
    schema.cell_completion,
    schema.cell_step,
    schema.cell_worked,
    schema.archived_worked,
    schema.day_seal,
    schema.gap_alert,
)
_NOT_REBUILT: tuple[Kind, ...] = ("receipt", "fact", "archive", "stray")
_COMPARED = 100  # users whose archived worked time is looked at cell by cell: each reads their files again


class Audit:
    """The audit of a store: `history.audit`.

    `archive` returns the store's archive, None when none is configured; it is asked once a run, and only when the
    manifest has files. `alerts_days` is how long dismissed alerts are kept: older ones may be gone.
    """

    def __init__(
        self,
        transactions: Transactions,
        rules: Rules,
        archive: Callable[[], Archive | None],
        clock: Callable[[], datetime],
        alerts_days: int = 365,
    ) -> None:
        self._transactions = transactions
        self._rules = rules
        self._archive = archive
        self._clock = clock
        self._alerts_days = alerts_days

    def verify(
        self,
        *,
        deep: bool = False,
        users: Collection[str] | None = None,
        progress: Progress | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Verification:
        """Hold everything that is stored against the facts, of all users or some.

        Cells, alerts, receipts and seals of each (user, day), in snapshots of about a thousand completions. Sealed days
        are held against their digests, and the archive is read where that does not decide; `deep` reads all of it:
        the bytes of each file, each row beside its receipt, and what the rows make. Writers are never kept waiting.
        Raises UnknownUser.
        """
        run = _Run(self._transactions, self._terms(), deep, progress, should_stop, self._clock)
        run.go(self._users(users), _WHOLE)
        findings = run.findings
        return Verification(
            ok=not findings.count() and not run.stopped,
            deep=deep,
            started_at=moment(run.started_at),
            finished_at=self._clock(),
            users=run.users,
            days_open=run.counts.days_open,
            days_sealed=run.counts.days_sealed,
            cells=run.counts.cells,
            facts=run.counts.facts,
            archived_facts=run.counts.archived,
            archive_files=run.files,
            unsettled_users=run.unsettled,
            stopped=run.stopped,
            problem_count=findings.count(),
            problems=tuple(findings.problems),
        )

    def rebuild(
        self,
        *,
        users: Collection[str] | None = None,
        dates: DateRange | None = None,
        dry_run: bool = False,
        progress: Progress | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Rebuild:
        """Make cells, worked time, alerts and seals what the facts say, wherever these are; write only what differs.

        Looks as a deep verify() does, and puts the days right in which something is wrong, each under its user's lock.
        A (user, day) whose facts are in an archive that cannot be read stays as it is, and is told in `left`; so are
        receipts and facts that are damaged themselves. `dry_run` writes nothing. Raises UnknownUser.
        """
        changes, left = Findings(), Findings()
        terms = self._terms()
        run = _Run(self._transactions, terms, True, progress, should_stop, self._clock)
        run.rebuilding = Rebuilding(self._transactions, terms, run.started_at, changes, left, dry_run)
        run.remover = _Remover(self._transactions, changes, dry_run)
        days = _WHOLE
        if dates is not None:
            first, last = (None if day is None else day_number(day) for day in (dates.first, dates.last))
            days = (FIRST_DAY if first is None else first, LAST_DAY if last is None else last)
        run.go(self._users(users), days)
        for problem in run.findings.problems:
            if problem.kind in _NOT_REBUILT:
                left.add(problem)
        unnamed = run.findings.count(*_NOT_REBUILT) - sum(one.kind in _NOT_REBUILT for one in run.findings.problems)
        left_count = left.count() + unnamed
        return Rebuild(
            ok=not left_count and not run.stopped,
            dry_run=dry_run,
            started_at=moment(run.started_at),
            finished_at=self._clock(),
            users=run.users,
            user_days=run.rebuilding.user_days,
            stopped=run.stopped,
            change_count=changes.count(),
            changes=tuple(changes.problems),
            left_count=left_count,
            left=tuple(left.problems),
        )

    def _terms(self) -> Terms:
        c = schema.archive_file.c
        known = self._transactions.read(lambda own: own.execute(select(c.file_id).limit(1)).scalar() is not None)
        cleaned = instant(self._clock() - timedelta(days=self._alerts_days))
        return Terms(self._rules, Source(self._archive if known else lambda: None), cleaned, ask_archive=True)

    def _users(self, names: Collection[str] | None) -> list[int] | None:
        if names is None:
            return None
        c = schema.user.c
        users = []
        for name in sorted(set(names)):
            wanted = select(c.user_id).where(c.name == askable(name))
            found = self._transactions.read(partial(_scalar, wanted=wanted))
            if found is None:
                raise UnknownUser(name)
            users.append(int(found))
        return users


class _Remover:
    """Removes rows of users and days that cannot be, from what is derived."""

    def __init__(self, transactions: Transactions, changes: Findings, dry_run: bool) -> None:
        self._transactions = transactions
        self._changes = changes
        self._dry_run = dry_run

    def remove(self, table: Table, user_id: int, day: int | None) -> bool:
        """Remove them; return False for what is not derived, and stays."""
        if table not in _DERIVED:
            return False
        here = table.c.user_id == user_id
        if day is not None:
            here &= table.c.day == day

        def tell(connection: Connection) -> Findings:
            told = self._changes.fresh()
            reason = "rows of a day that no calendar has" if day is not None else "rows of nobody"
            Naming(connection, Names(), told).add("stray", table.name, (user_id, day), f"{reason} were removed")
            return told

        def write(context: Context) -> Findings:
            context.connection.execute(delete(table).where(here))
            return tell(context.connection)

        told = self._transactions.read(tell) if self._dry_run else self._transactions.write([], write)
        self._changes.merge(told)
        return True


class _Run:
    """One way through a store: the archive first, when it is deep, then the users."""

    def __init__(
        self,
        transactions: Transactions,
        terms: Terms,
        deep: bool,
        progress: Progress | None,
        should_stop: Callable[[], bool] | None,
        clock: Callable[[], datetime],
    ) -> None:
        self.findings = Findings()
        self.counts = Counts(0, 0, 0, 0, 0)
        self.users = 0
        self.files = 0
        self.unsettled = 0
        self.stopped = False
        self.started_at = instant(clock())
        self.rebuilding: Rebuilding | None = None
        self.remover: _Remover | None = None
        self._transactions = transactions
        self._terms = terms._replace(ask_archive=not deep)
        self._deep = deep
        self._progress = progress
        self._should_stop = should_stop or (lambda: False)
        self._clock = clock

    def go(self, users: Sequence[int] | None, days: tuple[int, int]) -> None:
        """Look at some days of all users or some."""
        sums = WorkedSums()
        if self._deep:
            sums = self._look_at_archive(users, days)
        total = len(users) if users is not None else self._read(lambda own: chunks.user_count(own))
        after = 0
        while not self.stopped and (page := self._read(partial(chunks.user_page, after=after, wanted=users))):
            self._look_at_users(page, days, sums)
            after = page[-1]
            self.users += 0 if self.stopped else len(page)
            self._tell("users", self.users, total)
        if users is None and not self.stopped:
            self._remove_or_tell(self._read(lambda own: [(*one, None) for one in chunks.unknown_users(own)]))

    def _read(self, action: Callable[[Connection], T]) -> T:
        return self._transactions.read(action)

    def _snapshot(self, action: Callable[[Connection, Findings], T]) -> T:
        """Look at something in one snapshot, and keep what was found."""

        def attempt(connection: Connection) -> tuple[T, Findings]:
            found = self.findings.fresh()
            return action(connection, found), found

        result, found = self._transactions.read(attempt)
        self.findings.merge(found)
        return result

    def _stop(self) -> bool:
        self.stopped = self.stopped or self._should_stop()
        return self.stopped

    def _tell(self, place: str, done: int, total: int) -> None:
        if self._progress is not None:
            seconds = (instant(self._clock()) - self.started_at) / 1_000_000
            looked = self.counts.facts + self.counts.archived
            self._progress(AuditProgress(place, done, total, looked, seconds))

    def _count(self, counts: Counts) -> None:
        self.counts = Counts(*map(sum, zip(self.counts, counts, strict=True)))

    def _look_at_archive(self, users: Sequence[int] | None, days: tuple[int, int]) -> WorkedSums:
        archive = ArchiveAudit(self._snapshot, self._terms, self.findings, users)
        files = archive.files()
        for done, file in enumerate(files, 1):
            if self._stop():
                break
            before = archive.completions
            archive.check(file)
            self.files += 1
            self._count(Counts(0, 0, 0, 0, archive.completions - before))
            self._rebuild(days)
            self._tell(file.path, done, len(files))
        return archive.sums

    def _look_at_users(self, page: Sequence[int], days: tuple[int, int], sums: WorkedSums) -> None:
        entries = self._snapshot(partial(_checked_ledger, users=page, days=days))
        if days == _WHOLE:
            self._remove_or_tell(self._read(lambda own: list(chunks.impossible_days(own, page))))
        if self._deep:
            self._check_worked(page, sums)
            self._rebuild(days)
        for span in chunks.spans(page, entries, days):
            if self._stop():
                return
            self._count(self._snapshot(partial(check, terms=self._terms, span=span)))
            self._rebuild(days)

    def _check_worked(self, page: Sequence[int], sums: WorkedSums) -> None:
        """Compare the archived worked time of users by its sum; where that differs, by its cells."""
        for user_id in page:
            if user_id in sums.unread:
                continue
            same, settled = self._read(partial(_compared, user_id=user_id, sums=sums))
            self.unsettled += not settled
            if settled and not same:
                self._snapshot(partial(self._compare_worked, user_id=user_id))

    def _compare_worked(self, connection: Connection, found: Findings, user_id: int) -> None:
        naming = Naming(connection, Names(), found)
        if len(self.findings.worked) > _COMPARED and self.rebuilding is None:
            reason = "it is not what the archived facts make it; `timestrata verify --deep --user` names the cells"
            naming.add("cell", schema.archived_worked.name, (user_id, None), reason)
            return
        rules, source = self._terms.rules, self._terms.source
        expected, _, reason_not = archived_worked(connection, rules, source, user_id, _WHOLE)
        if reason_not is not None:
            naming.add("archive", schema.archived_worked.name, (user_id, None), reason_not)
            return
        stored = stored_worked(connection, user_id)
        for mismatch in archived_mismatches(stored, expected, None):
            naming.cell("cell", mismatch, "it is not what the archived facts make it")

    def _remove_or_tell(self, strays: Sequence[tuple[Table, int, int | None]]) -> None:
        for table, user_id, day in strays:
            if self.remover is not None and self.remover.remove(table, user_id, day):
                continue
            reason = "rows of a day that no calendar has" if day is not None else "rows of a user who does not exist"
            self._snapshot(partial(_tell_stray, place=table.name, unit=(user_id, day), reason=reason))

    def _rebuild(self, days: tuple[int, int]) -> None:
        """Put right what was just found, when that is asked for."""
        findings = self.findings
        if self.rebuilding is not None:
            units, worked = (
                {unit for unit in found if days[0] <= unit[1] <= days[1]} for found in (findings.units, findings.worked)
            )
            self.rebuilding.rebuild(units, worked)
            findings.worked.clear()
        findings.units.clear()


def _scalar(connection: Connection, wanted: Select[Any]) -> Any:
    return connection.execute(wanted).scalar()


def _checked_ledger(
    connection: Connection, found: Findings, users: Sequence[int], days: tuple[int, int]
) -> list[chunks.Ledger]:
    """Return the ledger of some users, after holding it against itself."""
    entries = chunks.ledger(connection, users, days)
    receipts.check_counts(connection, Naming(connection, Names(), found), entries)
    return entries


def _tell_stray(connection: Connection, found: Findings, place: str, unit: tuple[int, int | None], reason: str) -> None:
    Naming(connection, Names(), found).add("stray", place, unit, reason)


def _compared(connection: Connection, user_id: int, sums: WorkedSums) -> tuple[bool, bool]:
    """Return whether a user's archived worked time is what was read, and whether what was read is all there is."""
    purged = parts(connection, Span((user_id,), *_WHOLE))
    settled = part_sum(purged) == sums.read.get(user_id, 0)
    return weighted(stored_worked(connection, user_id)) == sums.worked.get(user_id, 0), settled
