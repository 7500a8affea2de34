"""Tables and views as data, with column types that hide the difference between the databases.

Rules kept from the start so that the tables can be distributed by user (Citus): the user comes first in every key of
a per-user table and is never updated; no serials, triggers or server-side functions; constraint names decide nothing.
Every per-user table is ordered by (user, local day): a person's range is one stretch of the key, and so is the day
that a later purge removes. Names start with ts_ because an embedding program may keep its own tables beside them.
The views carry names instead of ids; they are the public SQL contract, the tables are not.
"""

from __future__ import annotations

from typing import Any, Literal

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    case,
    cast,
    func,
    literal,
    null,
    select,
    union_all,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ColumnElement, Select
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.types import TypeEngine

metadata = MetaData()

# STRICT tables on SQLite know INTEGER, TEXT and BLOB only; there an INTEGER holds 64 bits anyway.
_Small = Integer().with_variant(SmallInteger(), "postgresql")
_Int = Integer()
_Big = Integer().with_variant(BigInteger(), "postgresql")
# Code point order and equality on both: SQLite's BINARY collation is PostgreSQL's "C".
_Text = Text().with_variant(Text(collation="C"), "postgresql")

WHOLE = 0
"""The step_id of a gap alert on the whole workflow; steps count from 1."""

Merge = Literal["sum", "min", "max"]


def _table(name: str, *parts: Any, cell: bool = False) -> Table:
    # Room on the page keeps updates of cells heap-only (HOT): no index entry is written for them.
    storage: dict[str, Any] = {"postgresql_with": {"fillfactor": 85}} if cell else {}
    return Table(f"ts_{name}", metadata, *parts, sqlite_strict=True, sqlite_with_rowid=False, **storage)


def _column(name: str, kind: TypeEngine[Any], null: bool = False) -> Column[Any]:
    return Column(name, kind, nullable=null, autoincrement=False)


def _measure(name: str, kind: TypeEngine[Any], merge: Merge = "sum") -> Column[Any]:
    return Column(name, kind, nullable=False, info={"merge": merge})


def _measures() -> list[Column[Any]]:
    """The columns of measures.Measure, in its order; how each merges is read by dialects.py."""
    return [
        _measure("observations", _Int),
        _measure("active_seconds", _Big),
        _measure("active_squared", _Big),
        _measure("min_seconds", _Int, "min"),
        _measure("max_seconds", _Int, "max"),
        _measure("paused_seconds", _Big),
        _measure("with_estimate", _Int),
        _measure("estimated_seconds", _Big),
        _measure("estimated_active_seconds", _Big),
        _measure("gap_alerts", _Int),
        _measure("reworked", _Int),
    ]


# ------------------------------------------------------------------------------------------ the store and its names

setting = _table("setting", _column("name", _Text), _column("value", _Text), PrimaryKeyConstraint("name"))

user = _table(
    "user", _column("user_id", _Int), _column("name", _Text), PrimaryKeyConstraint("user_id"), UniqueConstraint("name")
)

ticket_type = _table(
    "ticket_type",
    _column("ticket_type_id", _Int),
    _column("name", _Text),
    PrimaryKeyConstraint("ticket_type_id"),
    UniqueConstraint("name"),
)

template = _table(
    "template",
    _column("template_id", _Int),
    _column("name", _Text),
    PrimaryKeyConstraint("template_id"),
    UniqueConstraint("name"),
)

step = _table(
    "step",
    _column("step_id", _Int),
    _column("template_id", _Int),
    _column("step_index", _Small),
    _column("name", _Text),
    PrimaryKeyConstraint("step_id"),
    UniqueConstraint("template_id", "step_index", "name"),
)

user_state = _table(
    "user_state",
    _column("user_id", _Int),
    _measure("seq", _Big),
    _column("timezone", _Text, null=True),
    _column("sealed_through", _Int, null=True),
    PrimaryKeyConstraint("user_id"),
)
"""The per-user lock, the counter of changes (a workflow's `number` is its count) and the watermark."""

EVERYONE = 0
"""The user_state row of nobody: it counts the changes of those who are gone, so that revisions never fall."""

RECORDED, DELETED = 1, 2

receipt = _table(
    "receipt",
    _column("user_id", _Int),
    _column("workflow_id", _Text),
    _column("number", _Big),
    _column("revision", _Int),
    _column("state", _Small),
    _column("day", _Int),
    _column("fingerprint", LargeBinary()),
    _column("first_fingerprint", LargeBinary(), null=True),
    _column("changed", _Big, null=True),
    PrimaryKeyConstraint("user_id", "workflow_id"),
)
"""The memory that a workflow id was recorded. `first_fingerprint` is set once a correction replaced the content.

`changed` is the user's seq at the last correction or deletion, None while there was none: then `number` tells it.
"""

# -------------------------------------------------------------------------------------------------- facts, and raw

completion = _table(
    "completion",
    _column("user_id", _Int),
    _column("day", _Int),
    _column("number", _Big),
    _column("workflow_id", _Text),
    _column("ticket_key", _Text),
    _column("ticket_type_id", _Int),
    _column("template_id", _Int),
    _column("started_at", _Big),
    _column("completed_at", _Big),
    _column("timezone", _Text),
    _column("active_seconds", _Int),
    _column("paused_seconds", _Int),
    _column("estimated_seconds", _Big, null=True),
    _column("attributes", _Text, null=True),
    _column("steps", _Text),
    PrimaryKeyConstraint("user_id", "day", "number"),
)
"""`steps` holds the time of each step, as packed.py writes it."""

session = _table(
    "session",
    _column("user_id", _Int),
    _column("number", _Big),
    _column("ordinal", _Int),
    _column("step_id", _Int),
    _column("started_at", _Big),
    _column("ended_at", _Big),
    _column("active_seconds", _Int),
    _column("paused_seconds", _Int),
    PrimaryKeyConstraint("user_id", "number", "ordinal"),
)

pause = _table(
    "pause",
    _column("user_id", _Int),
    _column("number", _Big),
    _column("ordinal", _Int),
    _column("position", _Int),
    _column("paused_at", _Big),
    _column("resumed_at", _Big),
    PrimaryKeyConstraint("user_id", "number", "ordinal", "position"),
)

session_part = _table(
    "session_part",
    _column("user_id", _Int),
    _column("day", _Int),
    _column("number", _Big),
    _column("ordinal", _Int),
    _column("worked_seconds", _Int),
    PrimaryKeyConstraint("user_id", "day", "number", "ordinal"),
)

gap_alert = _table(
    "gap_alert",
    _column("user_id", _Int),
    _column("day", _Int),
    _column("number", _Big),
    _column("step_id", _Int),
    _column("workflow_id", _Text),
    _column("ticket_key", _Text),
    _column("ticket_type_id", _Int),
    _column("template_id", _Int),
    _column("completed_at", _Big),
    _column("actual_seconds", _Int),
    _column("estimated_seconds", _Big),
    _column("dismissed_at", _Big, null=True),
    PrimaryKeyConstraint("user_id", "day", "number", "step_id"),
)
"""Holds what it shows, because it outlives the facts."""

# ------------------------------------------------------------------------------------------- templates and live work

template_version = _table(
    "template_version",
    _column("template_id", _Int),
    _column("version", _Int),
    _column("ticket_type_id", _Int),
    _column("estimated_seconds", _Big, null=True),
    _column("steps", _Text),
    _column("created_at", _Big),
    PrimaryKeyConstraint("template_id", "version"),
)
"""A template as it was put; `steps` is JSON: [[name, estimated seconds or null], ...]."""

ACTIVE, HELD, COMPLETED, CANCELLED = 1, 2, 3, 4

workflow = _table(
    "workflow",
    _column("user_id", _Int),
    _column("number", _Big),
    _column("workflow_id", _Text),
    _column("state", _Small),
    _column("ticket_key", _Text),
    _column("template_id", _Int),
    _column("version", _Int),
    _column("timezone", _Text),
    _column("estimated_seconds", _Big, null=True),
    _column("attributes", _Text, null=True),
    _column("started_at", _Big),
    _column("worked_until", _Big, null=True),
    PrimaryKeyConstraint("user_id", "number"),
    UniqueConstraint("user_id", "workflow_id"),
)
"""A workflow that is tracked here; `number` is the one its completion has. It was worked on until `worked_until`."""

open_workflow = _table(
    "open_workflow",
    _column("user_id", _Int),
    _column("number", _Big),
    _column("running_since", _Big, null=True),
    _column("forgotten", _Int),
    PrimaryKeyConstraint("user_id", "number"),
)
"""The few tracked workflows that are active or held, so that nobody has to look for them among all.

`running_since` is the last event while a session runs, `forgotten` counts the sessions that wait to be confirmed.
"""

workflow_event = _table(
    "workflow_event",
    _column("user_id", _Int),
    _column("number", _Big),
    _column("position", _Int),
    _column("kind", _Text),
    _column("at", _Big),
    _column("step_index", _Small, null=True),
    _column("session", _Int, null=True),
    _column("request_key", _Text, null=True),
    _column("request_digest", LargeBinary(), null=True),
    PrimaryKeyConstraint("user_id", "number", "position"),
    UniqueConstraint("user_id", "request_key"),
)
"""What happened to a tracked workflow, in order: everything else about its time follows from these rows."""

# ------------------------------------------------------------------------------------------------------------ access

token = _table(
    "token",
    _column("token_id", _Text),
    _column("name", _Text),
    _column("for_user", _Text, null=True),
    _column("scopes", _Text),
    _column("secret_hash", LargeBinary()),
    _column("created_at", _Big),
    _column("expires_at", _Big, null=True),
    _column("revoked_at", _Big, null=True),
    PrimaryKeyConstraint("token_id"),
)
"""A bearer token; `secret_hash` is all that is kept of its secret, `scopes` are words with a space between."""

login = _table(
    "login",
    _column("secret_hash", LargeBinary()),
    _column("expires_at", _Big),
    PrimaryKeyConstraint("secret_hash"),
)
"""A link that logs in once."""

request = _table(
    "request",
    _column("owner", _Text),
    _column("request_key", _Text),
    _column("digest", LargeBinary()),
    _column("status", _Small),
    _column("answer", _Text),
    _column("created_at", _Big),
    PrimaryKeyConstraint("owner", "request_key"),
)
"""The answer to a request that carried an idempotency key, for its repetition."""

# ---------------------------------------------------------------------------------------------------------- cells

cell_completion = _table(
    "cell_completion",
    _column("user_id", _Int),
    _column("day", _Int),
    _column("ticket_type_id", _Int),
    _column("template_id", _Int),
    _column("bucket", _Small),
    *_measures(),
    PrimaryKeyConstraint("user_id", "day", "ticket_type_id", "template_id", "bucket"),
    cell=True,
)
"""Completions by their day, split by duration bucket: the buckets' `observations` are the histogram."""

cell_step = _table(
    "cell_step",
    _column("user_id", _Int),
    _column("day", _Int),
    _column("step_id", _Int),
    _column("bucket", _Small),
    *_measures(),
    PrimaryKeyConstraint("user_id", "day", "step_id", "bucket"),
    cell=True,
)

cell_worked = _table(
    "cell_worked",
    _column("user_id", _Int),
    _column("day", _Int),
    _column("ticket_type_id", _Int),
    _column("template_id", _Int),
    _measure("worked_seconds", _Big),
    _measure("sessions", _Int),
    PrimaryKeyConstraint("user_id", "day", "ticket_type_id", "template_id"),
    cell=True,
)

# --------------------------------------------------------------------------------------------------------- archive

WRITING, KEPT = 1, 2

archive_file = _table(
    "archive_file",
    _column("file_id", _Text),
    _column("path", _Text),
    _column("state", _Small),
    _column("completions", _Int),
    _column("bytes", _Big),
    _column("digest", LargeBinary(), null=True),
    _column("created_at", _Big),
    PrimaryKeyConstraint("file_id"),
)
"""A Parquet file of the archive, its path below the archive's root, the SHA-256 of its bytes.

It is here, WRITING, before it is there: a file that nobody finished is known, and removed by the next run.
"""

EXPORTED, PURGED, VOID = 1, 2, 3

archive_part = _table(
    "archive_part",
    _column("user_id", _Int),
    _column("day", _Int),
    _column("file_id", _Text),
    _column("state", _Small),
    _column("completions", _Int),
    _column("digest", LargeBinary()),
    PrimaryKeyConstraint("user_id", "day", "file_id"),
)
"""The completions of a user and day in a file, and the digest of their content.

EXPORTED: in the file, and still in the tables. PURGED: in the file only. VOID: the file's rows no longer count, because
the facts are back in the tables, or in another part.
"""

day_seal = _table(
    "day_seal",
    _column("user_id", _Int),
    _column("day", _Int),
    _column("sealed_at", _Big),
    _column("cells_digest", LargeBinary()),
    PrimaryKeyConstraint("user_id", "day"),
)
"""A user's day of which facts were purged: the digest of its cells by completion and by step, as they were then."""

archived_worked = _table(
    "archived_worked",
    _column("user_id", _Int),
    _column("day", _Int),
    _column("ticket_type_id", _Int),
    _column("template_id", _Int),
    _measure("worked_seconds", _Big),
    _measure("sessions", _Int),
    PrimaryKeyConstraint("user_id", "day", "ticket_type_id", "template_id"),
    cell=True,
)
"""What purged facts have put into cell_worked: a session counts on its own day, its completion may be purged later."""

# ------------------------------------------------------------------------------------------------------------ jobs

job = _table(
    "job",
    _column("name", _Text),
    _column("next_run_at", _Big, null=True),
    _column("holder", _Text, null=True),
    _column("held_until", _Big, null=True),
    _column("started_at", _Big, null=True),
    _column("finished_at", _Big, null=True),
    _column("outcome", _Text, null=True),
    _column("result", _Text, null=True),
    PrimaryKeyConstraint("name"),
)
"""A job of the schedule: who runs it, until when that is believed, and how it last ended (`result` is JSON)."""

# ---------------------------------------------------------------------------------------------------------- views


class day_as_date(GenericFunction[Any]):
    """A day number as the date that SQL users expect: DATE on PostgreSQL, text YYYY-MM-DD on SQLite."""

    type = Text()
    inherit_cache = True


@compiles(day_as_date, "sqlite")
def _date_on_sqlite(element: day_as_date, compiler: Any, **kw: Any) -> str:
    return f"date({compiler.process(element.clauses, **kw)} * 86400, 'unixepoch')"


@compiles(day_as_date, "postgresql")
def _date_on_postgresql(element: day_as_date, compiler: Any, **kw: Any) -> str:
    return f"(DATE '1970-01-01' + {compiler.process(element.clauses, **kw)})"


class instant_as_time(GenericFunction[Any]):
    """An instant as the time that SQL users expect: TIMESTAMPTZ on PostgreSQL, ISO text in UTC on SQLite."""

    type = Text()
    inherit_cache = True


@compiles(instant_as_time, "sqlite")
def _time_on_sqlite(element: instant_as_time, compiler: Any, **kw: Any) -> str:
    return f"strftime('%Y-%m-%dT%H:%M:%fZ', {compiler.process(element.clauses, **kw)} / 1000000.0, 'unixepoch')"


@compiles(instant_as_time, "postgresql")
def _time_on_postgresql(element: instant_as_time, compiler: Any, **kw: Any) -> str:
    # Two whole-number intervals: to_timestamp() takes a double and would lose microseconds.
    at = compiler.process(element.clauses, **kw)
    seconds, rest = f"({at} / 1000000) * INTERVAL '1 s'", f"({at} % 1000000) * INTERVAL '1 us'"
    return f"(TIMESTAMPTZ '1970-01-01 00:00:00Z' + {seconds} + {rest})"


def daily_rows(*within: ColumnElement[bool]) -> Select[Any]:
    """One row per user, local day and ticket type that has a completion or worked time; integers, with ids.

    `within` limits the cells before they are added up: a condition on cell_completion, then one on cell_worked.
    """
    on_done, on_worked = within[:1], within[1:]
    done, worked = cell_completion.c, cell_worked.c
    key = ("user_id", "day", "ticket_type_id")
    sums = ("active_seconds", "paused_seconds", "with_estimate", "estimated_seconds", "estimated_active_seconds")
    zero = literal(0, literal_execute=True)
    rows = union_all(
        select(
            *(done[name] for name in key),
            done.observations.label("completed"),
            *(done[name] for name in sums),
            done.gap_alerts,
            done.min_seconds,
            done.max_seconds,
            zero.label("worked_seconds"),
            zero.label("sessions"),
        ).where(*on_done),
        select(
            *(worked[name] for name in key),
            zero,
            *(zero for _ in sums),
            zero,
            null(),
            null(),
            worked.worked_seconds,
            worked.sessions,
        ).where(*on_worked),
    ).subquery("rows")
    column = rows.c
    added = ("completed", *sums, "gap_alerts", "worked_seconds", "sessions")
    return select(
        *(column[name] for name in key),
        *(whole_sum(column[name]).label(name) for name in added),
        func.min(column.min_seconds).label("min_seconds"),
        func.max(column.max_seconds).label("max_seconds"),
    ).group_by(*(column[name] for name in key))


def whole_sum(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """The sum of an integer column as an integer: SUM(BIGINT) is NUMERIC on PostgreSQL."""
    return cast(func.sum(column), _Big)


def _average(total: ColumnElement[Any], count: ColumnElement[Any]) -> ColumnElement[Any]:
    return cast(total, Float(53)) / cast(func.nullif(count, literal(0, literal_execute=True)), Float(53))


def _daily_aggregates() -> Select[Any]:
    rows = daily_rows().subquery("daily")
    c = rows.c
    return (
        select(
            user.c.name.label("user_id"),
            day_as_date(c.day).label("day"),
            ticket_type.c.name.label("ticket_type"),
            c.completed,
            c.active_seconds,
            c.paused_seconds,
            c.worked_seconds,
            c.sessions,
            c.with_estimate,
            c.estimated_seconds,
            c.estimated_active_seconds,
            c.min_seconds,
            c.max_seconds,
            c.gap_alerts,
        )
        .join_from(rows, user, user.c.user_id == c.user_id)
        .join(ticket_type, ticket_type.c.ticket_type_id == c.ticket_type_id)
    )


def _averages(cells: Table, *labels: ColumnElement[Any]) -> Select[Any]:
    c = cells.c
    count, active, estimated = (
        whole_sum(c[name]) for name in ("observations", "active_seconds", "estimated_active_seconds")
    )
    return select(
        *labels,
        count.label("observations"),
        active.label("active_seconds"),
        _average(func.sum(c.active_seconds), func.sum(c.observations)).label("mean_seconds"),
        func.min(c.min_seconds).label("min_seconds"),
        func.max(c.max_seconds).label("max_seconds"),
        whole_sum(c.with_estimate).label("with_estimate"),
        whole_sum(c.estimated_seconds).label("estimated_seconds"),
        estimated.label("estimated_active_seconds"),
        _average(func.sum(c.estimated_active_seconds), func.sum(c.estimated_seconds)).label("estimate_ratio"),
        whole_sum(c.gap_alerts).label("gap_alerts"),
        day_as_date(func.min(c.day)).label("first_day"),
        day_as_date(func.max(c.day)).label("last_day"),
    ).group_by(*labels)


def _step_averages() -> Select[Any]:
    labels = (
        template.c.name.label("template"),
        step.c.step_index.label("step_index"),
        step.c.name.label("step_name"),
    )
    return (
        _averages(cell_step, *labels)
        .select_from(cell_step)
        .join(step, step.c.step_id == cell_step.c.step_id)
        .join(template, template.c.template_id == step.c.template_id)
    )


def _user_averages() -> Select[Any]:
    labels = (user.c.name.label("user_id"), ticket_type.c.name.label("ticket_type"))
    return (
        _averages(cell_completion, *labels)
        .select_from(cell_completion)
        .join(user, user.c.user_id == cell_completion.c.user_id)
        .join(ticket_type, ticket_type.c.ticket_type_id == cell_completion.c.ticket_type_id)
    )


def _gap_alerts() -> Select[Any]:
    c = gap_alert.c
    whole = c.step_id == literal(WHOLE, literal_execute=True)
    return (
        select(
            user.c.name.label("user_id"),
            day_as_date(c.day).label("day"),
            c.workflow_id,
            c.ticket_key,
            ticket_type.c.name.label("ticket_type"),
            template.c.name.label("template"),
            case((whole, literal("workflow", literal_execute=True)), else_=literal("step", literal_execute=True)).label(
                "kind"
            ),
            step.c.step_index,
            step.c.name.label("step_name"),
            c.actual_seconds,
            c.estimated_seconds,
            instant_as_time(c.completed_at).label("completed_at"),
            instant_as_time(c.dismissed_at).label("dismissed_at"),
        )
        .join_from(gap_alert, user, user.c.user_id == c.user_id)
        .join(ticket_type, ticket_type.c.ticket_type_id == c.ticket_type_id)
        .join(template, template.c.template_id == c.template_id)
        .outerjoin(step, step.c.step_id == c.step_id)
    )


VIEWS: dict[str, Select[Any]] = {
    "time_daily_aggregates": _daily_aggregates(),
    "time_step_averages": _step_averages(),
    "time_user_averages": _user_averages(),
    "time_gap_alerts": _gap_alerts(),
}
"""The public SQL contract: its columns stay."""
