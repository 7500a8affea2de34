"""Figures by group, and the overview that the dashboard shows."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from timestrata.aggregations import MOST_GROUPS
from timestrata.answers import By, GroupBy
from timestrata.history import History
from timestrata.web.callers import Reader, Reads
from timestrata.web.ranges import Days
from timestrata.web.routes.history import Template, TicketType

router = APIRouter(prefix="/api/v1", tags=["aggregations"])

UserId = Annotated[
    str | None, Query(description="Only this user. Default: everyone, or the token's user where it may not read all.")
]


def _whose(reader: Reader, user_id: str | None) -> str | None:
    """Return whose data is asked for: the user's that is named, everyone's, or the token's own."""
    if user_id is not None or reader.principal.may_read_all:
        return user_id
    return reader.principal.user


@router.get("/time/aggregations")
async def aggregations(
    days: Days,
    reader: Reads,
    group: Annotated[GroupBy, Query(description="What to divide by.")] = "user",
    sub_group: Annotated[GroupBy | None, Query(description="What to divide each group by.")] = None,
    user_id: UserId = None,
    ticket_type: TicketType = None,
    template: Template = None,
    fill_gaps: Annotated[bool, Query(description="Return days, weeks or months without anything too.")] = False,
    limit: Annotated[int | None, Query(ge=1, le=MOST_GROUPS, description="Return the first groups only.")] = None,
) -> Response:
    """Return the figures of a range by group, and in it by sub-group."""
    user = _whose(reader, user_id)

    def ask(history: History) -> object:
        dates = days.dates(history, user)
        named = {"ticket_type": ticket_type, "template": template}
        return history.aggregations(dates, group, sub_group, user, **named, fill_gaps=fill_gaps, limit=limit)

    return await reader.figures(user, ask)


@router.get("/dashboard")
async def dashboard(
    days: Days,
    reader: Reads,
    user_id: UserId = None,
    ticket_type: TicketType = None,
    by: Annotated[By | None, Query(description="A series of the trend for each of these too.")] = None,
) -> Response:
    """Return how a period went: key figures beside those of the period before, the trend, the last completions."""
    user = _whose(reader, user_id)
    return await reader.figures(
        user, lambda history: history.overview(days.dates(history, user), user, ticket_type=ticket_type, by=by)
    )
