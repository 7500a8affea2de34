"""History: owns the engine; each method is one transaction."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from time import sleep
from types import TracebackType
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar, cast, overload

from sqlalchemy import Connection, Engine, exc, func, select, update
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_chain, wait_fixed

from timestrata import aggregations, ingest, lists, migrations, overview, recorded, reports, schema, series
from timestrata.access import Access
from timestrata.admission import Admitted, admit
from timestrata.aggregations import Grouping
from timestrata.answers import (
    AggregationReport,
    Alert,
    AlertPage,
    Averages,
    By,
    DailyReport,
    GroupBy,
    Overview,
    StepReport,
    Summary,
    TrendMeasure,
    TrendReport,
    WorkflowPage,
)
from timestrata.archive import Archive
from timestrata.audit import Audit
from timestrata.batching import GroupCommit
from timestrata.calendar import Bucket, DateRange, day_date, instant, local_days, zone
from timestrata.dialects import Dialect, StaleNames, Watch, check_transaction, dialect_of, engine_for
from timestrata.dimensions import Dimensions
from timestrata.errors import (
    BatchRejected,
    InvalidRequest,
    SchemaNotReady,
    UnknownWorkflow,
    UnsupportedDatabase,
)
from timestrata.facts import CompletedWorkflow, askable, checked_text
from timestrata.housekeeping import actions
from timestrata.ingest import Context, Outcome
from timestrata.jobs import Jobs, Schedules, definitions
from timestrata.keeping import Kept
from timestrata.measures import Labels
from timestrata.retention import Retention, RetentionPolicy
from timestrata.settings import Settings, check, load, settle
from timestrata.sums import Scope, Snapshot
from timestrata.tracking import Tracking, TrackingRules

Recordable = CompletedWorkflow | Mapping[str, object]
"""A fact, or a JSON object in the shape of the import format."""

Dates = DateRange | str
"""Local days from..to, or the name of a preset such as "last_30_days"."""

_USERS = select(schema.user.c.name).order_by(schema.user.c.name)

_KEPT_BYTES = 64 << 20
"""What a history keeps of sums over everyone. All of a page about a million workflows of 500 people takes 6 MB."""

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BatchResult:
    """The outcomes of a batch, one an item, in the items' order."""

    outcomes: tuple[Outcome, ...]

    def __iter__(self) -> Iterator[Outcome]:
        return iter(self.outcomes)

    def __len__(self) -> int:
        return len(self.outcomes)

    def count(self, status: ingest.Status) -> int:
        """Return how many items have this status."""
        return sum(outcome.status == status for outcome in self.outcomes)


@dataclass(frozen=True, slots=True)
class Revision:
    """How often the data of a user, or of all users, was changed, and which local day it is in their zone."""

    number: int
    today: date
    timezone: str


@dataclass(frozen=True, slots=True)
class Database:
    """The database of a store: SQLite or PostgreSQL, and its bytes with all indexes."""

    kind: str
    bytes: int


class RevisionWatch:
    """Asks for revisions without ever waiting, for an event loop. One question at a time.

    Errors of the database's driver pass through; then it is to be closed.
    """

    def __init__(self, watch: Watch, revision: Callable[[int, str | None], Revision]) -> None:
        self._watch = watch
        self._revision = revision
        self._names: dict[str | None, str | None] = {}
        self.fileno = watch.fileno
        self.close = watch.close

    def ask(self, users: Collection[str | None]) -> None:
        """Ask what revisions() tells of users; what was committed before is in the answer."""
        self._names = {user: None if user is None else askable(user) for user in users}
        self._watch.ask(set(self._names.values()))

    def answer(self) -> dict[str | None, Revision] | None:
        """Return what was asked for; None: not there yet, ask again when fileno() can be read."""
        states = self._watch.answer()
        if states is None:
            return None
        return {user: self._revision(*states[name]) for user, name in self._names.items()}


def open_history(
    url: str,
    *,
    migrate: bool = True,
    settings: Settings | None = None,
    tracking: TrackingRules | None = None,
    retention: RetentionPolicy | None = None,
    schedules: Schedules | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> History:
    """Open the history at `url`: sqlite:///FILE (made when absent) or postgresql://USER@HOST/NAME.

    `migrate` brings the schema up to date first; with False a missing or older one raises SchemaNotReady. A newer one
    always raises NewerSchema. `settings` are given to a new store and compared with those of an old one
    (SettingsMismatch). `tracking` says how live work is treated, `retention` what is kept for how long (default: what
    the environment says, TIMESTRATA_SESSIONS_DAYS and its like), `schedules` when its jobs are due (default: likewise,
    TIMESTRATA_RETENTION_SCHEDULE and its like). `clock` returns the present with an offset; it decides what "today" is.
    Raises UnsupportedDatabase when the URL cannot be used or the database is not reachable.

    >>> with open_history("sqlite://") as history:
    ...     history.summary("all_time").completed
    0
    """
    policy = retention or RetentionPolicy.from_environment(os.environ)
    engine, dialect = engine_for(url)
    try:
        stored = _prepare(engine, dialect, migrate, settings)
    except (exc.DatabaseError, exc.InterfaceError) as error:
        engine.dispose()
        shown = engine.url.render_as_string(hide_password=True)
        raise UnsupportedDatabase(f"cannot open {shown}: {str(error.orig).strip()}") from error
    except BaseException:
        engine.dispose()
        raise
    return History(engine, stored, tracking=tracking, retention=policy, schedules=schedules, clock=clock)


def _prepare(engine: Engine, dialect: Dialect, migrate: bool, asked: Settings | None) -> Settings:
    if not migrate and dialect.is_absent(engine):
        raise SchemaNotReady(
            f"{engine.url.database} does not exist, so it has no Timestrata schema, want {migrations.REVISIONS[-1]}: "
            "run `timestrata init`, or open it without migrate=False"
        )
    with engine.connect() as connection:
        dialect.check_version(connection)
        stored = load(connection) if migrations.check(connection) else None
        if stored is not None:
            check(stored, asked)
        elif not migrate:
            migrations.require(connection)
    if stored is None:
        stored = _migrate(engine, dialect, asked)
    dialect.adopt(engine)
    return stored


def _migrate(engine: Engine, dialect: Dialect, asked: Settings | None) -> Settings:
    with engine.connect() as connection:
        dialect.begin_write(connection)
        with connection.begin():
            dialect.lock_schema(connection)
            if not migrations.check(connection):  # another process may have been faster
                migrations.upgrade(connection)
            return settle(connection, asked)


class History:
    """The time history of a store. Threads may share one; so may processes open the same store.

    Methods that read take `dates` as a DateRange of local days, both included, or the name of a preset. "Today" is the
    user's when a user is asked about, else the store's.
    """

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        *,
        tracking: TrackingRules | None = None,
        retention: RetentionPolicy | None = None,
        schedules: Schedules | None = None,
        clock: Callable[[], datetime],
        wait: Callable[[float], None] = sleep,
    ) -> None:
        self.engine = engine
        self.settings = settings
        self._rules = settings.rules()
        self._dialect = dialect_of(engine)
        self._reader = self._dialect.snapshot(engine)
        self._dimensions = Dimensions()
        self._kept = Kept(_KEPT_BYTES)
        self._clock = clock
        self._wait = wait
        self._group = GroupCommit(self._record_together, self._record_alone)
        self._all_new = True
        """Whether the last transaction of _record_once() had nothing but new facts: replays seldom come alone."""
        self._committing: tuple[Callable[[], None], ...] = ()
        transactions = _Transactions(self)
        self.tracking = Tracking(transactions, tracking or TrackingRules(), self._rules, clock)
        policy = retention or RetentionPolicy()
        beside = _archive_beside(self._dialect.file(engine))
        self.retention = Retention(transactions, policy, self._rules, clock, beside)
        self.audit = Audit(transactions, self._rules, self._archive, clock, policy.alerts_days)
        self._schedules = schedules

    def __enter__(self) -> History:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Finish what was submitted and close every connection. Closing twice is fine."""
        self._group.close()
        self.engine.dispose()

    @property
    def access(self) -> Access:
        """The tokens of this store."""
        return Access(self._read, self._change, self._clock)

    @cached_property
    def jobs(self) -> Jobs:
        """The schedule of this store. Raises InvalidRequest when the environment holds a schedule that is none."""
        chosen = self._schedules or Schedules.from_environment(os.environ)
        jobs = definitions(chosen, actions(self.retention, self.audit))
        return Jobs(_Transactions(self), self._clock, jobs, self.settings.timezone)

    def _archive(self) -> Archive | None:
        return None if self.retention.archive_url is None else self.retention.archive()

    # ------------------------------------------------------------------------------------------------------- writing

    @overload
    def record(
        self, workflows: Recordable, *, strict: bool = False, connection: Connection | None = None
    ) -> Outcome: ...

    @overload
    def record(
        self, workflows: Iterable[Recordable], *, strict: bool = False, connection: Connection | None = None
    ) -> BatchResult: ...

    def record(
        self,
        workflows: Recordable | Iterable[Recordable],
        *,
        strict: bool = False,
        connection: Connection | None = None,
    ) -> Outcome | BatchResult:
        """Record one completed workflow, or a batch of them in one transaction.

        Returns an Outcome for one, a BatchResult for several. An item is recorded, replayed (it stands there already),
        a conflict (the id stands there with other content) or rejected (it cannot be accepted, see `reason`); one bad
        item does not spoil the others. With `strict` any conflict or rejection raises BatchRejected and nothing of
        the batch is written. Batches of about 1,000 are fastest; the call may be repeated safely after any failure.

        `connection` joins your own SQLAlchemy transaction on the same database: nothing is visible before you commit,
        and everything is gone when you roll back. The call is then not repeated on transient errors: that is yours.
        """
        single = isinstance(workflows, (CompletedWorkflow, Mapping))
        items: Sequence[Recordable] = (workflows,) if single else tuple(workflows)  # type: ignore[assignment, arg-type]
        if all(type(item) is CompletedWorkflow for item in items):  # nothing is to be read, nothing to be noted of it
            alike = self._record(cast("Sequence[CompletedWorkflow]", items), strict, connection)
            return alike[0] if single else BatchResult(tuple(alike))
        admitted = _admit(items, strict)
        facts = [one.fact for one in admitted if isinstance(one, Admitted)]
        written = iter(self._record(facts, strict, connection))
        outcomes = tuple(next(written).noted(one.notes) if isinstance(one, Admitted) else one for one in admitted)
        return outcomes[0] if single else BatchResult(outcomes)

    def _record(self, facts: Sequence[CompletedWorkflow], strict: bool, connection: Connection | None) -> list[Outcome]:
        if not facts:
            return []
        if len(facts) == 1 and connection is None and not strict:
            return [self._group.call(facts[0])]

        def write(context: Context, labels: Sequence[Labels]) -> list[Outcome]:
            return ingest.record(context, facts, labels, strict)

        return self._write(facts, write, connection)

    def submit(self, workflow: Recordable) -> Future[Outcome]:
        """Record one completed workflow without waiting: the Future gets the outcome, once it is committed.

        What is submitted, or recorded by other threads one by one, at the same time shares a transaction. For asyncio:
        `await asyncio.wrap_future(history.submit(workflow))`. Cancelled before its turn, it is not recorded.
        """
        future = _Submitted()
        admitted = admit(workflow)
        if isinstance(admitted, Outcome):
            future.set_result(admitted)
            return future
        future.notes = admitted.notes
        return self._group.submit(admitted.fact, future)

    def hand_in(
        self, workflow: CompletedWorkflow, tell: Callable[[Outcome | None, BaseException | None], None]
    ) -> None:
        """Record one completed workflow without waiting: `tell` gets the outcome or the error, once it is committed.

        As submit(), for a caller with many at once: a Future costs more than what is gained by it. `tell` is called in
        a thread of the history, and has to return at once.
        """
        self._group.enter(workflow, tell)

    def before_commits(self, call: Callable[[], None]) -> None:
        """Have a function called in the thread that records, before what was recorded one by one is committed.

        From then on the thread waits for the disk or the server, so that others have the interpreter to themselves.
        What is handed in is committed in turns from now on: half of it while the other half is told and comes again.
        """
        self._committing = (*self._committing, call)
        self._group.alternates = True

    @property
    def is_recording_on(self) -> bool:
        """Whether a commit of what was recorded one by one is followed by another, as somebody waits for it."""
        return self._group.is_awaited

    def _record_together(self, facts: Sequence[CompletedWorkflow]) -> list[Outcome]:
        """Record facts in one transaction that is not repeated."""
        return self._with_names(lambda: self._record_once(facts))

    def _record_once(self, facts: Sequence[CompletedWorkflow]) -> list[Outcome]:
        labels = self._labels(facts, ())
        if self._all_new and len(facts) <= self._dialect.most_at_once:
            direct = ingest.Direct(self.engine, self._dialect, self._dimensions, self._rules, self._planned)
            recorded = ingest.record_new(direct, facts, labels)
            if recorded is not None:
                return recorded
        with self._transaction() as own:
            context = Context(own, self._dialect, self._dimensions, self._rules)
            outcomes = ingest.record(context, facts, labels, strict=False, planned=self._planned)
        self._all_new = all(outcome.status == "recorded" for outcome in outcomes)
        return outcomes

    def _planned(self) -> None:
        for call in self._committing:
            call()

    def _record_alone(self, fact: CompletedWorkflow, met: Exception | None = None) -> Outcome:
        """Record a fact in a transaction of its own; `met` is the error of a first attempt that was made before."""

        def attempt() -> Outcome:
            return self._record_together([fact])[0]

        return self._retrying(attempt, met)

    def correct(
        self,
        workflow: CompletedWorkflow,
        *,
        expected_revision: int | None = None,
        connection: Connection | None = None,
    ) -> Outcome:
        """Replace the content of a recorded workflow, named by its user and workflow id.

        The figures become as if the old content had never been. A deleted workflow comes back. With
        `expected_revision` the change is refused (StaleRevision) when somebody else was faster; a retry of the same
        change is a replay. Without a `timezone` of its own the fact keeps the zone it was filed in.
        Raises UnknownWorkflow, StaleRevision, FactsSealed.
        """

        def write(context: Context, labels: Sequence[Labels]) -> Outcome:
            return ingest.correct(context, workflow, labels[0], expected_revision, self.retention.reopener())

        self._user(workflow.user_id, connection, UnknownWorkflow(workflow.user_id, workflow.workflow_id))
        return self._write([workflow], write, connection)

    def delete(
        self,
        user_id: str,
        workflow_id: str,
        *,
        expected_revision: int | None = None,
        connection: Connection | None = None,
    ) -> Outcome:
        """Delete a recorded workflow; the figures become as if it had never been.

        Its receipt stays: a late retry of the record is a replay and does not bring it back; correct() does.
        Raises UnknownWorkflow, StaleRevision, FactsSealed.
        """
        user = self._user(user_id, connection, UnknownWorkflow(user_id, workflow_id))

        def write(context: Context, _: Sequence[Labels]) -> Outcome:
            names = (user_id, askable(workflow_id))
            return ingest.remove(context, user, names, expected_revision, self.retention.reopener())

        return self._write([], write, connection)

    def set_timezone(self, user_id: str, timezone: str | None) -> None:
        """Set the zone of a user's facts from now on; None: the store's. What was recorded keeps its days.

        The user need not have recorded anything yet. Raises InvalidFact when no zone has that name.
        """
        checked_text("user_id", user_id)
        if timezone is not None:
            zone(timezone)

        def write(context: Context, _: Sequence[Labels]) -> None:
            user = context.dimensions.users[user_id]
            context.dialect.lock(context.connection, [user], [])
            states = schema.user_state
            context.connection.execute(update(states).where(states.c.user_id == user).values(timezone=timezone))

        self._write([], write, None, users=[user_id])

    def dismiss_alert(self, alert_id: str) -> None:
        """Mark a gap alert as dismissed, now. Dismissed ones keep their time. Raises UnknownAlert."""
        self._mark_alert(alert_id, instant(self._clock()))

    def restore_alert(self, alert_id: str) -> None:
        """Take the dismissal of a gap alert back. Raises UnknownAlert."""
        self._mark_alert(alert_id, None)

    def _mark_alert(self, alert_id: str, at: int | None) -> None:
        self._write([], lambda context, _: lists.mark_alert(context, alert_id, at), None)

    # ------------------------------------------------------------------------------------------------------- reading

    def summary(self, dates: Dates, user_id: str | None = None, ticket_type: str | None = None) -> Summary:
        """Return the figures of a range, in total and by ticket type."""
        return self._ask(reports.summary, dates, user_id, ticket_type)

    def trend(
        self,
        dates: Dates,
        bucket: Bucket = "week",
        user_id: str | None = None,
        *,
        by: By | None = None,
        ticket_type: str | None = None,
        measure: TrendMeasure = "mean_seconds",
    ) -> TrendReport:
        """Return every day, ISO week or month of a range, and the trend of `measure` over the full ones.

        `by` adds a series for each ticket type or template. The trend's verdict is rising, falling, no evidence of
        change, or too few (full buckets: 6 are needed). Raises InvalidRequest, also for more than 10,000 buckets, and
        for more than 4,000 that are full and have a value.
        """

        def ask(snapshot: Snapshot, scope: Scope) -> TrendReport:
            return series.trends(snapshot, scope, bucket, measure, by, self._today(snapshot.connection, user_id))

        return self._ask(ask, dates, user_id, ticket_type)

    def aggregations(
        self,
        dates: Dates,
        group: GroupBy,
        sub_group: GroupBy | None = None,
        user_id: str | None = None,
        *,
        ticket_type: str | None = None,
        template: str | None = None,
        fill_gaps: bool = False,
        limit: int | None = None,
    ) -> AggregationReport:
        """Return the figures of a range by user, ticket type, template, step, day, week or month, and within each.

        `fill_gaps` adds the days, weeks or months without anything. `limit` is how many groups are answered at most,
        the first in their order; None for all. Steps are kept by template, so they do not go together with ticket
        types. Raises InvalidRequest, also for more than 10,000 groups.
        """
        grouping = Grouping(group, sub_group, None if template is None else askable(template), fill_gaps, limit)

        def ask(snapshot: Snapshot, scope: Scope) -> AggregationReport:
            return aggregations.aggregations(snapshot, scope, grouping, self._today(snapshot.connection, user_id))

        return self._ask(ask, dates, user_id, ticket_type)

    def overview(
        self,
        dates: Dates = "last_30_days",
        user_id: str | None = None,
        *,
        ticket_type: str | None = None,
        by: By | None = None,
    ) -> Overview:
        """Return how a period went: its figures beside those of the period before, its trend, what was done last.

        `by` adds a series to the trend for each ticket type or template. Raises InvalidRequest.
        """

        def ask(snapshot: Snapshot, scope: Scope) -> Overview:
            return overview.overview(snapshot, scope, by, self._today(snapshot.connection, user_id))

        return self._ask(ask, dates, user_id, ticket_type)

    def daily(self, dates: Dates, user_id: str | None = None, ticket_type: str | None = None) -> DailyReport:
        """Return the rows of the view time_daily_aggregates: a user's local day and ticket type each."""
        return self._ask(reports.daily, dates, user_id, ticket_type)

    def steps(
        self, dates: Dates, template: str | None = None, user_id: str | None = None, *, longest: int | None = None
    ) -> StepReport:
        """Return the figures of every step done in a range, of one template or all.

        `longest`: only of so many steps, those that took the most time. Raises InvalidRequest.
        """
        return self._ask(reports.steps, dates, user_id, None, template, longest)

    def averages(self, user_id: str, as_of: date | None = None) -> Averages:
        """Return a person's averages by ticket type: all time and rolling 30 days, as of a day (default: today)."""

        def read(connection: Connection) -> Averages:
            day = as_of or self._today(connection, user_id)
            return reports.averages(Snapshot(connection, self._kept), askable(user_id), day)

        return self._read(read)

    def alerts(
        self,
        dates: Dates | None = None,
        user_id: str | None = None,
        *,
        dismissed: bool | None = False,
        kind: Literal["workflow", "step"] | None = None,
        ticket_type: str | None = None,
        limit: int = 50,
    ) -> tuple[Alert, ...]:
        """Return gap alerts, the latest first: open ones, or dismissed ones, or both with None.

        `dates` are the days of the completions. 1 <= limit <= 10,000. Raises InvalidRequest.
        """
        asked: dict[str, Any] = {"dismissed": dismissed, "kind": kind, "ticket_type": ticket_type, "limit": limit}
        return self.alert_page(dates, user_id, **asked).alerts

    def alert_page(
        self,
        dates: Dates | None = None,
        user_id: str | None = None,
        *,
        dismissed: bool | None = False,
        kind: Literal["workflow", "step"] | None = None,
        ticket_type: str | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> AlertPage:
        """Return alerts() page by page; `after` is the `next` of the page before. Raises InvalidRequest."""
        return self._ask(lists.alerts, dates or "all_time", user_id, ticket_type, dismissed, kind, limit, after)

    def alert(self, alert_id: str) -> Alert:
        """Return one gap alert. Raises UnknownAlert."""
        return self._read(lambda connection: lists.alert(connection, alert_id))

    def alert_user(self, alert_id: str) -> str:
        """Return the user to whom an alert of this id belongs, also when it is gone. Raises UnknownAlert."""
        return self._read(lambda connection: lists.user_of_alert(connection, alert_id))

    def workflows(
        self,
        dates: Dates,
        user_id: str | None = None,
        ticket_type: str | None = None,
        *,
        limit: int = 50,
        after: str | None = None,
        modified_after: int | None = None,
    ) -> WorkflowPage:
        """Return a page of completed workflows, the latest first; `after` is the `next` of the page before.

        1 <= limit <= 10,000. Archived workflows are not listed: see `coverage`. `modified_after` is a
        `coverage.revision` seen before: what was recorded, corrected or deleted since then, in that order, of one
        user, all time and all ticket types, as a workflow may have moved. Who applies the pages to the end and goes on
        from the `coverage.revision` of the last has the list as it is. Raises InvalidRequest.
        """
        if modified_after is not None:
            return self._ask(lists.changes, dates, user_id, ticket_type, limit, after, modified_after)
        return self._ask(lists.workflows, dates, user_id, ticket_type, limit, after)

    def workflow(self, user_id: str, workflow_id: str) -> recorded.Recorded:
        """Return one recorded workflow with its revision, steps, sessions and pauses.

        Raises UnknownWorkflow, also when its facts are archived: its message says so, and filed_on() tells the day.
        """

        def read(connection: Connection) -> recorded.Recorded:
            found = recorded.find_by_name(connection, askable(user_id), askable(workflow_id))
            if found is None:
                archived = recorded.filed_on(connection, askable(user_id), askable(workflow_id))
                raise UnknownWorkflow(user_id, workflow_id, archived)
            return found

        return self._read(read)

    def filed_on(self, user_id: str, workflow_id: str) -> date | None:
        """Return the local day of a recorded workflow, also when its facts are archived; None when there is none."""
        return self._read(lambda connection: recorded.filed_on(connection, askable(user_id), askable(workflow_id)))

    def facts(self, dates: Dates = "all_time", user_id: str | None = None) -> Iterator[CompletedWorkflow]:
        """Yield the recorded workflows of a range as they were recorded, by user, local day, workflow id.

        Each carries the zone it was filed in, so that another store files it alike. One snapshot, flat memory. Archived
        workflows are left out: `summary(...).coverage` tells of them, and retention.restore() brings them back.
        """
        with self._reader.connect() as connection, connection.begin():
            scope = self._scope(connection, dates, user_id)
            for fact in recorded.read_all(connection, scope.user_id, scope.dates):
                yield fact.workflow

    def users(self) -> tuple[str, ...]:
        """Return every user that something was recorded for, in order."""
        return self._read(lambda connection: tuple(connection.execute(_USERS).scalars().all()))

    def ticket_types(self, user_id: str | None = None) -> tuple[str, ...]:
        """Return every ticket type of the store, the one that came first first.

        With a user, those that she completed or worked on at any time; none for a user that nothing is known of.
        """
        name = None if user_id is None else askable(user_id)
        return self._read(lambda connection: reports.ticket_types(connection, name))

    def latest_day(self, user_id: str | None = None, ticket_type: str | None = None) -> date | None:
        """Return the last local day on which anything was completed or worked on, also when its facts are archived.

        None when nothing was. Without a user it is the last of anyone's days.
        """
        user = None if user_id is None else askable(user_id)
        kind = None if ticket_type is None else askable(ticket_type)
        return self._read(lambda connection: reports.latest_day(connection, user, kind))

    def now(self) -> datetime:
        """Return the present, by the clock of this history."""
        return self._clock()

    def analyze(self) -> None:
        """Let the database look at its tables, after much was recorded.

        PostgreSQL does so by itself within minutes. Until then it may plan questions for the few rows that it has seen:
        some take it 30 s and not half a second. SQLite needs none of it.
        """
        self._dialect.analyze(self.engine)

    def database(self) -> Database:
        """Return what the store is in, and how much it takes."""
        return Database(self._dialect.title, self._read(self._dialect.database_bytes))

    def revisions(self, users: Collection[str | None]) -> dict[str | None, Revision]:
        """Return how often the data of each user was changed, and which day it is there; None: of all users.

        A figure of a range stays as it is until the number grows, or another day begins.
        """
        names = {askable(name) for name in users if name is not None}
        states, named = schema.user_state.c, schema.user.c
        mine = select(named.name, states.seq, states.timezone).where(named.user_id == states.user_id)
        mine = mine.where(named.name.in_(sorted(names)))
        total = select(func.coalesce(schema.whole_sum(states.seq), 0))

        def read(connection: Connection) -> dict[str | None, tuple[int, str | None]]:
            found: dict[str | None, tuple[int, str | None]] = {}
            if names:
                found.update((row.name, (row.seq, row.timezone)) for row in connection.execute(mine))
            if None in users:
                found[None] = (connection.execute(total).scalar_one(), None)
            return found

        found, now = self._read(read), instant(self._clock())
        return {user: self._revision(*found.get(user, (0, None)), now) for user in users}

    def watch(self) -> RevisionWatch | None:
        """Return what asks for revisions() without a thread, None for a database in memory; the caller closes it."""
        watch = self._dialect.watch(self.engine)
        if watch is None:
            return None
        return RevisionWatch(watch, lambda number, zone: self._revision(number, zone, instant(self._clock())))

    def _revision(self, number: int, timezone: str | None, now: int) -> Revision:
        name = timezone or self._rules.default_timezone
        return Revision(number, day_date(local_days(name, self._rules.day_start_seconds).day(now)), name)

    # --------------------------------------------------------------------------------------------------- transactions

    def _write(
        self,
        facts: Sequence[CompletedWorkflow],
        write: Callable[[Context, Sequence[Labels]], T],
        connection: Connection | None,
        users: Sequence[str] = (),
    ) -> T:
        """Run one write in a transaction of its own, repeated on transient errors, or in the caller's.

        Names are interned first. In the caller's transaction they are remembered for this call only, because a
        rollback takes them back.
        """
        if connection is not None:
            check_transaction(connection)
            dimensions = Dimensions()
            dimensions.intern(connection, facts, users)
            context = Context(connection, dialect_of(connection), dimensions, self._rules)
            return write(context, dimensions.labels(facts))

        def attempt() -> T:
            labels = self._labels(facts, users)
            with self._transaction() as own:
                return write(Context(own, self._dialect, self._dimensions, self._rules), labels)

        return self._retrying(lambda: self._with_names(attempt))

    def _with_names(self, attempt: Callable[[], T]) -> T:
        """Make an attempt, again when a user whose id is remembered was erased by another process."""
        try:
            return attempt()
        except StaleNames:
            self._dimensions.forget()
            return attempt()

    def _change(self, action: Callable[[Connection], T]) -> T:
        """Run an action that changes what is no user's, in a transaction of its own, repeated on transient errors."""

        def attempt() -> T:
            with self._transaction() as own:
                return action(own)

        return self._retrying(attempt)

    def _labels(self, facts: Sequence[CompletedWorkflow], users: Sequence[str]) -> list[Labels]:
        """Return the ids of the facts' names, interned in a transaction of their own where they are new."""
        dimensions = self._dimensions
        if not dimensions.users:
            self._read(dimensions.load)
        try:
            if dimensions.users.keys() >= set(users):
                return dimensions.labels(facts)
        except KeyError:
            pass
        new = Dimensions()
        with self._transaction() as own:
            new.intern(own, facts, users)
        dimensions.adopt(new)
        return dimensions.labels(facts)

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with self.engine.connect() as connection:
            self._dialect.begin_write(connection)
            with connection.begin():
                yield connection

    def _read(self, read: Callable[[Connection], T]) -> T:
        def attempt() -> T:
            with self._reader.connect() as connection, connection.begin():
                return read(connection)

        return self._retrying(attempt)

    def _ask(
        self,
        question: Callable[Concatenate[Snapshot, Scope, P], T],
        dates: Dates,
        user_id: str | None,
        ticket_type: str | None,
        *more: P.args,
        **named: P.kwargs,
    ) -> T:
        """Put a question about a scope in one snapshot."""

        def read(connection: Connection) -> T:
            scope = self._scope(connection, dates, user_id, ticket_type)
            return question(Snapshot(connection, self._kept), scope, *more, **named)

        return self._read(read)

    def _retrying(self, attempt: Callable[[], T], met: Exception | None = None) -> T:
        """Call `attempt`, again after 1, 2 and 4 s when the error is transient; `met` is a first attempt's error.

        Also when it is not known whether the commit arrived: the receipts make a repetition safe.
        """
        try:
            if met is not None:
                raise met
            return attempt()
        except Exception as error:
            if not self._dialect.is_transient(error):
                raise
        self._wait(1)
        again = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, Exception) and self._dialect.is_transient(error)),
            wait=wait_chain(wait_fixed(2), wait_fixed(4)),
            stop=stop_after_attempt(3),
            sleep=self._wait,
            reraise=True,
        )
        return again(attempt)

    def _scope(
        self, connection: Connection, dates: Dates, user_id: str | None, ticket_type: str | None = None
    ) -> Scope:
        if isinstance(dates, str):
            dates = DateRange.preset(dates, self._today(connection, user_id))
        elif not isinstance(dates, DateRange):
            raise InvalidRequest("dates", dates, "a DateRange or the name of a preset")
        user_id, ticket_type = (None if name is None else askable(name) for name in (user_id, ticket_type))
        return Scope(dates, user_id, ticket_type)

    def _today(self, connection: Connection, user_id: str | None) -> date:
        timezone = None
        if user_id is not None:
            states, users = schema.user_state, schema.user
            mine = select(states.c.timezone).join(users, users.c.user_id == states.c.user_id)
            timezone = connection.execute(mine.where(users.c.name == askable(user_id))).scalar()
        days = local_days(timezone or self._rules.default_timezone, self._rules.day_start_seconds)
        return day_date(days.day(instant(self._clock())))

    def _user(self, user_id: str, connection: Connection | None, unknown: Exception) -> int:
        """Return a user's id. Raises `unknown` when nothing was ever recorded for this name."""
        wanted = select(schema.user.c.user_id).where(schema.user.c.name == askable(user_id))
        if connection is not None:
            check_transaction(connection)
            found = connection.execute(wanted).scalar()
        else:
            found = self._read(lambda own: own.execute(wanted).scalar())
        if found is None:
            raise unknown
        return int(found)


def _archive_beside(file: Path | None) -> str | None:
    """Return the folder for the archive of a SQLite file, None for other databases."""
    return None if file is None else str(file.with_name(f"{file.stem}-archive"))


class _Transactions:
    """A history's transactions, as live tracking takes them."""

    def __init__(self, history: History) -> None:
        self._history = history

    def write(self, users: Sequence[str], action: Callable[[Context], T]) -> T:
        return self._history._write([], lambda context, _: action(context), None, users=users)

    def read(self, action: Callable[[Connection], T]) -> T:
        return self._history._read(action)


class _Submitted(Future[Outcome]):
    """Of an item that was submitted, with the notes on how it was read."""

    notes: tuple[str, ...] = ()

    def set_result(self, result: Outcome) -> None:
        super().set_result(result.noted(self.notes))


def _admit(items: Iterable[object], strict: bool) -> list[Admitted | Outcome]:
    """Tell facts from what cannot be accepted. Raises BatchRejected if that must not be."""
    admitted = [admit(item) for item in items]
    for index, one in enumerate(admitted if strict else ()):
        if isinstance(one, Outcome):
            raise BatchRejected(index, one.workflow_id, "rejected", str(one.reason))
    return admitted
