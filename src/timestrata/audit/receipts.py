"""Receipts beside the facts they stand for: each completion in the tables has its own, and the counts add up."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, and_, select

from timestrata import schema
from timestrata.audit.chunks import Ledger
from timestrata.audit.findings import Naming
from timestrata.facts import fingerprint
from timestrata.stored import Span, Stored, Unit

_NAMED = 20  # receipts of one user and day


def check_facts(connection: Connection, naming: Naming, span: Span, facts: Sequence[Stored]) -> None:
    """Hold the completions of a span against their receipts, and against the seconds that stand beside them."""
    c, r = schema.completion.c, schema.receipt.c
    own = and_(r.user_id == c.user_id, r.workflow_id == c.workflow_id)
    rows = connection.execute(
        select(c.user_id, c.number, r.number, r.day, r.state, r.fingerprint)
        .outerjoin(schema.receipt, own)
        .where(span.of(schema.completion))
    ).fetchall()
    receipts = {(user_id, number): tuple(receipt) for user_id, number, *receipt in rows}
    for one in facts:
        row, workflow = one.raw.completion, one.filed.workflow
        number, day, state, print_ = receipts.get((row.user_id, row.number), (None, None, None, None))
        place, item = schema.receipt.name, workflow.workflow_id
        if number is None:
            naming.add("receipt", place, one.raw.unit, "a recorded workflow has no receipt", item=item)
            continue
        wanted = (("number", number, row.number), ("day", day, row.day), ("state", state, schema.RECORDED))
        for column, stored, expected in wanted:
            if stored != expected:
                reason = "it is not that of its workflow"
                naming.add(
                    "receipt", place, one.raw.unit, reason, item=item, column=column, stored=stored, expected=expected
                )
        if print_ != fingerprint(workflow):
            reason = "the workflow is not what its receipt remembers"
            naming.add("fact", schema.completion.name, one.raw.unit, reason, item=item, column="fingerprint")
        seconds = (
            ("active_seconds", row.active_seconds, workflow.active_seconds),
            ("paused_seconds", row.paused_seconds, workflow.pause_seconds),
        )
        for column, stored, expected in seconds:
            if stored != expected:
                reason = "it is not the sum of its steps"
                place = schema.completion.name
                naming.add(
                    "fact", place, one.raw.unit, reason, item=item, column=column, stored=stored, expected=expected
                )


def check_counts(connection: Connection, naming: Naming, entries: Sequence[Ledger]) -> None:
    """Hold the number of receipts of each user's day against its completions, in the tables and in the archive."""
    for one in entries:
        if one.recorded != one.hot + one.purged:
            unit = (one.user_id, one.day)
            where = f"{one.hot} completions in the tables and {one.purged} in the archive"
            expected = one.hot + one.purged
            reason = f"there are {where}"
            place = schema.receipt.name
            naming.add("receipt", place, unit, reason, column="count", stored=one.recorded, expected=expected)
            if one.purged == 0:
                _name_orphans(connection, naming, unit)


def _name_orphans(connection: Connection, naming: Naming, unit: Unit) -> None:
    c, r = schema.completion.c, schema.receipt.c
    own = and_(c.user_id == r.user_id, c.day == r.day, c.number == r.number)
    rows = connection.execute(
        select(r.workflow_id)
        .outerjoin(schema.completion, own)
        .where(r.user_id == unit[0], r.day == unit[1], r.state == schema.RECORDED, c.number.is_(None))
        .order_by(r.workflow_id)
        .limit(_NAMED)
    )
    for workflow_id in rows.scalars():
        reason = "it was recorded, and is neither in the tables nor in the archive"
        naming.add("receipt", schema.receipt.name, unit, reason, item=workflow_id)
