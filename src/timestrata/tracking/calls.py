"""Each call reads a workflow's events under its user's lock, adds one, and brings the cells in step.

What an event changes is always the same difference: the time that counts after it minus the time that counted before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Literal, TypeVar
from uuid import uuid4

from sqlalchemy import Connection, and_, func, insert, select, tuple_

from timestrata import ingest, schema
from timestrata.calendar import instant, local_days, moment, zone
from timestrata.dialects import Write
from timestrata.dimensions import Dimensions
from timestrata.errors import (
    InvalidRequest,
    KeyReused,
    SessionRunning,
    UnknownSession,
    UnknownTemplate,
    UntrackedWorkflow,
    WorkflowExists,
    WrongState,
)
from timestrata.facts import askable, checked_estimate, checked_moment, checked_text
from timestrata.ingest import Context
from timestrata.live import Event, Kind, State, WorkedCells, advance, fold, worked_cells
from timestrata.measures import difference
from timestrata.tracked import (
    Completion,
    Started,
    Template,
    TemplateStep,
    TrackedSession,
    TrackedWorkflow,
    WorkflowList,
    checked_steps,
    compare,
    completed_fact,
    view,
    whole_estimate,
)
from timestrata.tracking.rows import (
    CODES,
    Live,
    at_number,
    count_change,
    drop_empty,
    find,
    find_call,
    insert_event,
    insert_workflow,
    known_user,
    lock,
    number_of,
    open_row,
    owner_of,
    page_token,
    read_live,
    read_page_token,
    running_elsewhere,
    session_key,
    update_workflow,
    worked_elsewhere,
    worked_since,
    workflow_rows,
)
from timestrata.tracking.rules import Call, TrackingRules, Transactions, call_of, checked_attributes, microseconds
from timestrata.tracking.templates import as_template, find_template, ids_of, insert_version, template_rows

T = TypeVar("T")
Status = Literal["recorded", "replayed", "held"]


class Tracking:
    """Templates and live work of a store: `history.tracking`.

    Every call that changes something takes `at` (default: now; not in the future, not before the workflow's previous
    event) and `key`: the same call under the same key is carried out once and answered alike; another call under it
    raises KeyReused. With a `session_id` a call is refused unless that is the current session. Calls raise
    UntrackedWorkflow or UnknownSession for what was never started, WrongState for what cannot be done in the state
    things are in, InvalidRequest for a time that cannot be. Then nothing has changed.
    """

    def __init__(
        self, transactions: Transactions, rules: TrackingRules, store: ingest.Rules, clock: Callable[[], datetime]
    ) -> None:
        self.rules = rules
        self._transactions = transactions
        self._store = store
        self._clock = clock

    # ------------------------------------------------------------------------------------------------------ templates

    def put_template(
        self,
        name: str,
        ticket_type: str,
        steps: Iterable[TemplateStep | str],
        *,
        estimated_seconds: int | None = None,
    ) -> Template:
        """Put a template, or a new version of one; the same content again is the same version.

        A workflow keeps the version it was started with. Raises InvalidFact.
        """
        checked_text("name", name)
        checked_text("ticket_type", ticket_type)
        checked = checked_steps(steps)
        whole = whole_estimate(checked_estimate("estimated_seconds", estimated_seconds), checked)
        now = instant(self._clock())

        def write(context: Context) -> Template:
            # Nothing is remembered of a template's ids: this transaction may be rolled back.
            dimensions = Dimensions()
            dimensions.intern_template(context.connection, ticket_type, name, [step.name for step in checked])
            ids = dimensions.templates[name], dimensions.ticket_types[ticket_type]
            while True:  # until it is put, here or by somebody who was faster
                latest = find_template(context.connection, name)
                number = 1 if latest is None else latest.version + 1
                new = Template(name, number, ticket_type, checked, whole, moment(now))
                if latest is not None and replace(new, version=latest.version, created_at=latest.created_at) == latest:
                    return latest
                if insert_version(context.connection, new, *ids):
                    return new

        return self._transactions.write([], write)

    def template(self, name: str, version: int | None = None) -> Template:
        """Return a template in a version (default: the latest). Raises UnknownTemplate."""

        def read(connection: Connection) -> Template:
            found = find_template(connection, askable(name), version)
            if found is None:
                raise UnknownTemplate(name, version)
            return found

        return self._transactions.read(read)

    def templates(self) -> tuple[Template, ...]:
        """Return the latest version of every template, by name."""

        def read(connection: Connection) -> tuple[Template, ...]:
            latest = {template.name: template for template in map(as_template, connection.execute(template_rows()))}
            return tuple(latest.values())

        return self._transactions.read(read)

    # ---------------------------------------------------------------------------------------------------- live work

    def start_workflow(
        self,
        user_id: str,
        template: str,
        ticket_key: str,
        *,
        workflow_id: str | None = None,
        estimated_seconds: int | None = None,
        timezone: str | None = None,
        attributes: Mapping[str, object] | None = None,
        at: datetime | None = None,
        key: str | None = None,
    ) -> TrackedWorkflow:
        """Start a workflow on a ticket, and with it the session of the template's first step.

        `workflow_id` is made up when it is left out. The local days of its time are those of `timezone`, else of the
        user's zone, else of the store's. Raises UnknownTemplate, WorkflowExists, SessionRunning, InvalidFact.
        """
        checked_text("user_id", user_id)
        checked_text("ticket_key", ticket_key)
        if workflow_id is not None:
            checked_text("workflow_id", workflow_id)
        if timezone is not None:
            zone(timezone)
        estimate = checked_estimate("estimated_seconds", estimated_seconds)
        extra = checked_attributes(attributes)
        call = call_of(at, key, "start", template, ticket_key, workflow_id, estimate, timezone, extra)
        chosen = workflow_id or uuid4().hex

        def write(context: Context) -> TrackedWorkflow:
            user = context.dimensions.users[user_id]
            state, receipt = lock(context, user, chosen)
            known = self._known(context.connection, user, call)
            if known is not None:
                return self._shown(known, known.work.last_at)
            version = find_template(context.connection, askable(template))
            if version is None:
                raise UnknownTemplate(template)
            if receipt is not None or number_of(context.connection, user, chosen) is not None:
                raise WorkflowExists(user_id, chosen, "exists already")
            zone_name = timezone or state.timezone or self._store.default_timezone
            whole = estimate if estimate is not None else version.estimated_seconds
            started = Started(
                user_id=user_id,
                workflow_id=chosen,
                ticket_key=ticket_key,
                template=version,
                timezone=zone_name,
                estimated_seconds=whole,
                attributes=extra,
            )
            event = Event("started", self._when(context, user, user_id, None, call, running=True), 0)
            live = Live(user, state.seq + 1, started, *ids_of(context.connection, version), fold([event]), 1)
            insert_workflow(context.connection, live)
            insert_event(context.connection, live, 0, event, call)
            context.connection.execute(insert(schema.open_workflow).values(open_row(live)))
            count_change(context, user)
            return self._shown(live, live.work.last_at)

        return self._transactions.write([user_id], write)

    def start_step(
        self, user_id: str, workflow_id: str, step_index: int, *, at: datetime | None = None, key: str | None = None
    ) -> TrackedWorkflow:
        """Start a session on a step of the template; the one that is running or paused ends. Raises SessionRunning."""
        call = call_of(at, key, "step", workflow_id, step_index)

        def event(_: Context, live: Live, when: int) -> Event:
            steps = len(live.started.template.steps)
            if type(step_index) is not int or not 0 <= step_index < steps:
                raise InvalidRequest("step_index", step_index, f"0 to {steps - 1}, a step of the template")
            return Event("step_started", when, step_index)

        return self._add(user_id, workflow_id, call, event, running=True)

    def pause(
        self,
        user_id: str,
        workflow_id: str,
        *,
        session_id: str | None = None,
        at: datetime | None = None,
        key: str | None = None,
    ) -> TrackedWorkflow:
        """Pause the running session."""
        return self._simple("paused", user_id, workflow_id, at, key, session_id)

    def resume(
        self,
        user_id: str,
        workflow_id: str,
        *,
        session_id: str | None = None,
        at: datetime | None = None,
        key: str | None = None,
    ) -> TrackedWorkflow:
        """Resume the paused session. Raises SessionRunning when the user works on something else."""
        return self._simple("resumed", user_id, workflow_id, at, key, session_id)

    def end_step(
        self,
        user_id: str,
        workflow_id: str,
        *,
        session_id: str | None = None,
        at: datetime | None = None,
        key: str | None = None,
    ) -> TrackedWorkflow:
        """End the session that is running or paused; its worked time counts from now on."""
        return self._simple("step_ended", user_id, workflow_id, at, key, session_id)

    def cancel(
        self, user_id: str, workflow_id: str, *, at: datetime | None = None, key: str | None = None
    ) -> TrackedWorkflow:
        """Cancel the workflow: it is never completed. The time worked on it was worked, and stays so."""
        return self._simple("cancelled", user_id, workflow_id, at, key)

    def complete(
        self, user_id: str, workflow_id: str, *, at: datetime | None = None, key: str | None = None
    ) -> Completion:
        """Complete the workflow: its times become history in one transaction; compare them with the estimates.

        The same again gives the same answer (`replayed`); at another time it is refused (WrongState). With a
        forgotten session it is `held` until that is settled. Raises WorkflowExists when other content was recorded
        under its id.
        """
        call = call_of(at, key, "complete", workflow_id)

        def write(context: Context) -> Completion:
            live, known = self._live(context, user_id, workflow_id, call)
            if known:
                return self._completion(live, again=True)
            finished_at = live.work.finished_at
            if finished_at is None or live.work.state == "cancelled":
                when = self._when(context, live.user_id, user_id, live, call, running=False)
                after = self._append(context, live, Event("completed", when), call)
                return self._completion(after, again=False)
            if call.at is not None and instant(call.at) != finished_at:
                found = f"a workflow completed at {moment(finished_at).isoformat()}"
                raise WrongState("complete", found, "the same time again, or none")
            return self._completion(live, again=True)

        return self._transactions.write([], write)

    def confirm(self, session_id: str, *, key: str | None = None) -> TrackedWorkflow:
        """Confirm the end that a forgotten session was given; its time counts from now on."""
        return self._mend("confirmed", session_id, None, key)

    def correct(self, session_id: str, ended_at: datetime, *, key: str | None = None) -> TrackedWorkflow:
        """Put the true end of a forgotten session; its time counts from now on."""
        return self._mend("corrected", session_id, checked_moment("ended_at", ended_at), key)

    def end_forgotten(self, limit: int = 1000) -> int:
        """End sessions that were left running for too long, at most `limit` of them; return how many."""
        before = instant(self._clock()) - microseconds(self.rules.forgotten_after)
        c, names = schema.open_workflow.c, schema.workflow.c
        late = (
            select(schema.user.c.name, names.workflow_id)
            .join_from(schema.open_workflow, schema.user, schema.user.c.user_id == c.user_id)
            .join(schema.workflow, and_(names.user_id == c.user_id, names.number == c.number))
            .where(c.running_since < before)
            .limit(limit)
        )
        found = self._transactions.read(lambda connection: connection.execute(late).fetchall())
        return sum(self._end_forgotten(*row) for row in found)

    # -------------------------------------------------------------------------------------------------------- reading

    def workflow(self, user_id: str, workflow_id: str) -> TrackedWorkflow:
        """Return a tracked workflow as it stands now."""
        return self._transactions.read(lambda own: self._shown(find(own, user_id, workflow_id)))

    def sessions(self, user_id: str, workflow_id: str) -> tuple[TrackedSession, ...]:
        """Return the sessions of a workflow in the order of their start."""
        return self.workflow(user_id, workflow_id).sessions

    def session(self, session_id: str) -> tuple[TrackedWorkflow, TrackedSession]:
        """Return a session and its workflow. Raises UnknownSession."""
        user, number, position = session_key(session_id)

        def read(connection: Connection) -> tuple[TrackedWorkflow, TrackedSession]:
            live = at_number(connection, user, number)
            if live is None or position >= len(live.work.sessions):
                raise UnknownSession(session_id)
            shown = self._shown(live)
            return shown, shown.sessions[position]

        return self._transactions.read(read)

    def owner(self, session_id: str) -> tuple[str, str]:
        """Return (user, workflow id) of a session. Raises UnknownSession."""
        user, number, _ = session_key(session_id)
        found = self._transactions.read(lambda connection: owner_of(connection, user, number))
        if found is None:
            raise UnknownSession(session_id)
        return found

    def active(self, user_id: str) -> tuple[TrackedWorkflow, ...]:
        """Return a user's open workflows, those with a running session first, then the latest started.

        Open are those that are active or held, and cancelled ones with a session that waits to be confirmed.
        """
        c, o = schema.workflow.c, schema.open_workflow.c
        rows = workflow_rows().join(schema.open_workflow, and_(o.user_id == c.user_id, o.number == c.number))
        rows = rows.where(schema.user.c.name == askable(user_id))
        found = self._transactions.read(lambda own: [self._shown(live) for live in read_live(own, rows)])
        found.sort(key=lambda one: one.started_at, reverse=True)
        found.sort(key=lambda one: one.current is None or one.current.state != "running")
        return tuple(found)

    def workflows(
        self, user_id: str, *, state: State | None = None, limit: int = 50, after: str | None = None
    ) -> WorkflowList:
        """Return a page of a user's tracked workflows, the latest started first. 1 <= limit <= 1000."""
        if type(limit) is not int or not 1 <= limit <= 1000:
            raise InvalidRequest("limit", limit, "a whole number from 1 to 1000")
        if state is not None and state not in CODES:
            raise InvalidRequest("state", state, f"one of {', '.join(CODES)}")
        c = schema.workflow.c
        named = select(schema.user.c.user_id).where(schema.user.c.name == askable(user_id))
        user = named.correlate(None).scalar_subquery()
        chosen = select(c.number).where(c.user_id == user)
        if state is not None:
            chosen = chosen.where(c.state == CODES[state])
        if after is not None:
            chosen = chosen.where(tuple_(c.started_at, c.number) < read_page_token(after))
        order = c.started_at.desc(), c.number.desc()
        # The page first: joined with everything else, all of a user's workflows would be sorted.
        page = chosen.order_by(*order).limit(limit + 1).correlate(None)
        rows = workflow_rows().where(c.user_id == user, c.number.in_(page)).order_by(*order)
        found = self._transactions.read(lambda own: read_live(own, rows))
        following = page_token(found[limit - 1]) if len(found) > limit else None
        return WorkflowList(tuple(self._shown(live) for live in found[:limit]), following)

    def running(self) -> int:
        """Return how many sessions are running now, of all users."""
        c = schema.open_workflow.c
        count = select(func.count()).where(c.running_since.is_not(None))
        return self._transactions.read(lambda connection: int(connection.execute(count).scalar_one()))

    # -------------------------------------------------------------------------------------------------------- events

    def _simple(
        self,
        kind: Kind,
        user_id: str,
        workflow_id: str,
        at: datetime | None,
        key: str | None,
        session_id: str | None = None,
    ) -> TrackedWorkflow:
        call = call_of(at, key, kind, workflow_id, session_id)

        def event(_: Context, live: Live, when: int) -> Event:
            if session_id is not None:
                live.check_current(session_id)
            return Event(kind, when)

        return self._add(user_id, workflow_id, call, event, running=kind == "resumed")

    def _add(
        self,
        user_id: str,
        workflow_id: str,
        call: Call,
        event: Callable[[Context, Live, int], Event],
        *,
        running: bool = False,
    ) -> TrackedWorkflow:
        """Add the event of a call; `running` says that a session runs after it, which must be the user's only one."""

        def write(context: Context) -> TrackedWorkflow:
            live, known = self._live(context, user_id, workflow_id, call)
            if known:
                return self._shown(live, live.work.last_at)
            when = self._when(context, live.user_id, user_id, live, call, running=running)
            after = self._append(context, live, event(context, live, when), call)
            return self._shown(after, after.work.last_at)

        return self._transactions.write([], write)

    def _live(self, context: Context, user_id: str, workflow_id: str, call: Call) -> tuple[Live, bool]:
        """Lock a workflow's user and return it; or, and True, as the call left it that was carried out before."""
        user = self._locked(context, user_id, workflow_id)
        known = self._known(context.connection, user, call)
        if known is not None:
            return known, True
        return self._ended_if_forgotten(context, find(context.connection, user_id, workflow_id), call), False

    def _locked(self, context: Context, user_id: str, workflow_id: str) -> int:
        user = known_user(context, user_id)
        if user is None:
            raise UntrackedWorkflow(user_id, workflow_id)
        lock(context, user, workflow_id)
        return user

    def _known(self, connection: Connection, user: int, call: Call) -> Live | None:
        """Return the workflow as the call left it when it was carried out before. Raises KeyReused."""
        found = find_call(connection, user, call.key)
        if found is None:
            return None
        if found.request_digest != call.digest:
            raise KeyReused(call.key)
        return at_number(connection, user, found.number, found.position)

    def _when(self, context: Context, user: int, user_id: str, live: Live | None, call: Call, *, running: bool) -> int:
        """Return the instant of a call, checked against the clock; and, if it has a session run, against other work.

        Where no time was given the clock is never held to be behind what happened before: the clocks of two
        machines differ.
        """
        now = instant(self._clock())
        when = now if call.at is None else instant(call.at)
        if when > now + microseconds(self.rules.clock_skew):
            raise InvalidRequest("at", moment(when).isoformat(), f"an instant not after now, {moment(now).isoformat()}")
        earliest = live.work.last_at if live else when
        if running and not self.rules.parallel_sessions:
            other = self._end_of_other_work(context, user, user_id, live, when)
            if call.at is not None and when < other:
                until = moment(other).isoformat()
                raise InvalidRequest(
                    "at", moment(when).isoformat(), f"an instant not before {until}, the end of other work"
                )
            earliest = max(earliest, other)
        return when if call.at is not None else max(when, earliest)

    def _end_of_other_work(self, context: Context, user: int, user_id: str, live: Live | None, when: int) -> int:
        """Return when a user's last stretch of other work ended, `when` without any. Raises SessionRunning.

        A session that was left running there keeps nobody from going on: it is ended as end_forgotten() would.
        """
        but = live.number if live else None
        for number, workflow_id in running_elsewhere(context.connection, user, but):
            other = at_number(context.connection, user, number)
            if other is None or self._forgotten_at(other) >= when:
                raise SessionRunning(user_id, workflow_id)
            self._append(context, other, Event("forgotten", self._forgotten_at(other)), None)
        until = worked_elsewhere(context.connection, user, but)
        return when if until is None else until

    def _append(self, context: Context, live: Live, event: Event, call: Call | None) -> Live:
        """Put one more event to a workflow, and write what changes by it."""
        after = live._replace(work=advance(live.work, event), events=live.events + 1)
        insert_event(context.connection, after, live.events, event, call)
        self._write_change(context, live, after)
        return after

    def _write_change(self, context: Context, before: Live, after: Live) -> None:
        connection, work = context.connection, after.work
        counted = self._worked(before)
        if work.state == "completed" and before.work.state != "completed":
            fact = completed_fact(after.started, work)
            context.dimensions.intern(connection, [fact])  # put_template() did: this only reads
            [labels] = context.dimensions.labels([fact])
            if not ingest.record_tracked(context, fact, labels, after.number, counted):
                names = after.started.user_id, after.started.workflow_id
                raise WorkflowExists(*names, "was recorded with other content")
            if counted:  # the same content was recorded before, perhaps on other days
                drop_empty(context, counted)
        else:
            rows = difference(self._worked(after), counted)
            context.dialect.apply(connection, [Write("merge", schema.cell_worked, rows)])
        count_change(context, after.user_id)
        update_workflow(connection, before, after)

    def _worked(self, live: Live) -> WorkedCells:
        days = local_days(live.started.timezone, self._store.day_start_seconds)
        return worked_cells(live.work, days, (live.user_id, live.ticket_type_id, live.template_id))

    def _mend(self, kind: Kind, session_id: str, ended_at: datetime | None, key: str | None) -> TrackedWorkflow:
        _, _, position = session_key(session_id)
        shown, session = self.session(session_id)
        call = call_of(None, key, kind, session_id, None if ended_at is None else instant(ended_at))
        end = instant(ended_at or session.ended_at or shown.started_at)
        if end > instant(self._clock()):
            raise InvalidRequest("ended_at", moment(end).isoformat(), "an instant not in the future")

        def event(context: Context, live: Live, _: int) -> Event:
            if kind == "corrected" and not self.rules.parallel_sessions:
                self._check_alone(context.connection, live, position, end)
            return Event(kind, end, None, position)

        return self._add(shown.user_id, shown.workflow_id, call, event)

    def _check_alone(self, connection: Connection, live: Live, position: int, ended_at: int) -> None:
        """Refuse to move the end of a forgotten session into other work, which began after the end it was given."""
        session = live.work.sessions[position]
        guess = session.ended_at
        if not session.forgotten or guess is None or ended_at <= guess:
            return
        for number in worked_since(connection, live.user_id, live.number, guess):
            other = at_number(connection, live.user_id, number)
            for start, end in other.work.stretches if other else ():
                if start < ended_at and (end is None or end > guess):
                    wanted = f"an instant not after {moment(start).isoformat()}, the start of other work"
                    raise InvalidRequest("ended_at", moment(ended_at).isoformat(), wanted)

    def _forgotten_at(self, live: Live) -> int:
        return live.work.last_at + microseconds(self.rules.forgotten_after)

    def _ended_if_forgotten(self, context: Context, live: Live, call: Call | None = None) -> Live:
        """End a session that was left running, unless the call tells of a time at which it was not yet forgotten."""
        limit = self._forgotten_at(live)
        when = instant(call.at) if call is not None and call.at is not None else instant(self._clock())
        if not live.work.running or when <= limit:
            return live
        return self._append(context, live, Event("forgotten", limit), None)

    def _end_forgotten(self, user_id: str, workflow_id: str) -> bool:
        def write(context: Context) -> bool:
            self._locked(context, user_id, workflow_id)
            live = find(context.connection, user_id, workflow_id)
            return self._ended_if_forgotten(context, live) is not live

        return self._transactions.write([], write)

    def _shown(self, live: Live, as_of: int | None = None) -> TrackedWorkflow:
        """Return a workflow as of now; as of its event in the answer to a call, which can then be given again."""
        ids = [f"{live.user_id}.{live.number}.{position}" for position in range(len(live.work.sessions))]
        now = max(instant(self._clock()), live.work.last_at) if as_of is None else as_of
        return view(live.started, live.work, ids, live.events, now)

    def _completion(self, live: Live, *, again: bool) -> Completion:
        fact = completed_fact(live.started, live.work)
        status: Status = "held" if live.work.state == "held" else "replayed" if again else "recorded"
        return Completion(status, self._shown(live, live.work.last_at), *compare(fact, self._store.gap_threshold))
