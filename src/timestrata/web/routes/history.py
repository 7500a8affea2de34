"""The history of a person: figures, trends, averages, alerts, days, steps, completed workflows."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response

from timestrata.answers import Alert, By, TrendMeasure
from timestrata.calendar import Bucket, DateRange
from timestrata.errors import InvalidRequest, UnknownAlert
from timestrata.history import History
from timestrata.web.callers import Reads, Writer, Writes
from timestrata.web.paths import PathId
from timestrata.web.principals import forbidden
from timestrata.web.ranges import Days

router = APIRouter(prefix="/api/v1/time", tags=["history"])

TicketType = Annotated[str | None, Query(description="Only this ticket type.")]
Template = Annotated[str | None, Query(description="Only this template.")]
Limit = Annotated[int, Query(ge=1, le=1000, description="The most to return.")]
After = Annotated[str | None, Query(description="The `next` of the page before.")]
ModifiedAfter = Annotated[
    int | None,
    Query(
        ge=0, description="A `coverage.revision` that was seen before: what changed since; all days, all ticket types."
    ),
]

_DISMISSED: dict[str, bool | None] = {"open": False, "dismissed": True, "all": None}


@router.get("/history/{user_id}")
async def summary(user_id: PathId, days: Days, reader: Reads, ticket_type: TicketType = None) -> Response:
    """Return the figures of a range, in total and by ticket type."""
    return await reader.figures(
        user_id, lambda history: history.summary(days.dates(history, user_id), user_id, ticket_type)
    )


@router.get("/history/{user_id}/trend")
async def trend(
    user_id: PathId,
    days: Days,
    reader: Reads,
    bucket: Bucket = "week",
    by: Annotated[By | None, Query(description="A series for each of these too.")] = None,
    measure: TrendMeasure = "mean_seconds",
    ticket_type: TicketType = None,
) -> Response:
    """Return every day, week or month of a range, and the trend of a measure over the full ones."""

    def ask(history: History) -> object:
        dates = days.dates(history, user_id)
        return history.trend(dates, bucket, user_id, by=by, ticket_type=ticket_type, measure=measure)

    return await reader.figures(user_id, ask)


@router.get("/history/{user_id}/averages")
async def averages(
    user_id: PathId,
    reader: Reads,
    as_of: Annotated[
        str | None, Query(description="Up to this day, included; default: today.", json_schema_extra={"format": "date"})
    ] = None,
) -> Response:
    """Return averages by ticket type: of all time and of the 30 days that end with a day."""
    day = _day(as_of)
    return await reader.figures(user_id, lambda history: history.averages(user_id, day))


def _day(text: str | None) -> date | None:
    try:
        return DateRange.parse(text, None).first
    except InvalidRequest as error:
        raise InvalidRequest("as_of", text, error.wanted) from error


@router.get("/history/{user_id}/alerts")
async def alerts(
    user_id: PathId,
    days: Days,
    reader: Reads,
    state: Literal["open", "dismissed", "all"] = "open",
    kind: Literal["workflow", "step"] | None = None,
    ticket_type: TicketType = None,
    limit: Limit = 50,
    after: After = None,
) -> Response:
    """Return gap alerts, the latest first; the days are those of the completions."""
    asked: dict[str, Any] = {"dismissed": _DISMISSED[state], "kind": kind, "ticket_type": ticket_type}
    return await reader.figures(
        user_id,
        lambda history: history.alert_page(days.dates(history, user_id), user_id, **asked, limit=limit, after=after),
    )


@router.get("/history/{user_id}/daily")
async def daily(user_id: PathId, days: Days, reader: Reads, ticket_type: TicketType = None) -> Response:
    """Return a row for each day and ticket type with a completion or worked time."""
    return await reader.figures(
        user_id, lambda history: history.daily(days.dates(history, user_id), user_id, ticket_type)
    )


@router.get("/history/{user_id}/steps")
async def steps(
    user_id: PathId,
    days: Days,
    reader: Reads,
    template: Template = None,
    longest: Annotated[int | None, Query(ge=1, description="Only so many: those that took the most time.")] = None,
) -> Response:
    """Return the figures of every step that was done."""
    return await reader.figures(
        user_id, lambda history: history.steps(days.dates(history, user_id), template, user_id, longest=longest)
    )


@router.get("/history/{user_id}/workflows")
async def workflows(
    user_id: PathId,
    days: Days,
    reader: Reads,
    ticket_type: TicketType = None,
    limit: Limit = 50,
    after: After = None,
    modified_after: ModifiedAfter = None,
) -> Response:
    """Return completed workflows, the latest first; with `modified_after` those that changed since, in that order."""

    def ask(history: History) -> object:
        dates = "all_time" if modified_after is not None and days.default else days.dates(history, user_id)
        return history.workflows(dates, user_id, ticket_type, limit=limit, after=after, modified_after=modified_after)

    return await reader.figures(user_id, ask)


# -------------------------------------------------------------------------------------------------------------- alerts


@router.post("/alerts/{alert_id}/dismiss")
async def dismiss(alert_id: PathId, writer: Writes) -> Response:
    """Dismiss a gap alert; one that was dismissed keeps its time."""
    return await _mark(writer, alert_id, History.dismiss_alert)


@router.post("/alerts/{alert_id}/restore")
async def restore(alert_id: PathId, writer: Writes) -> Response:
    """Take the dismissal of a gap alert back."""
    return await _mark(writer, alert_id, History.restore_alert)


async def _mark(writer: Writer, alert_id: str, mark: Any) -> Response:
    writer.check_any()

    def change(history: History) -> Alert:
        mark(history, alert_id)
        return history.alert(alert_id)

    return await writer.answer(await _owner(writer, alert_id), change)


async def _owner(writer: Writer, alert_id: str) -> str:
    """Return whose alert it is. Who may not change everything does not learn which alerts others have: 403."""
    try:
        return await writer.run(lambda history: history.alert_user(alert_id))
    except UnknownAlert:
        if writer.principal.is_admin:
            raise
        raise forbidden("changing this alert") from None
