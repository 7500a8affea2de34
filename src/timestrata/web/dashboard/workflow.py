"""The page of one ticket: its steps, and its sessions and pauses on a timeline, for as long as they are kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from timestrata.calendar import zone
from timestrata.errors import UnknownWorkflow
from timestrata.facts import CompletedWorkflow, StepTime, TimeSession
from timestrata.history import History
from timestrata.measures import is_gap
from timestrata.recorded import Recorded
from timestrata.report.document import Cell, Column, Table
from timestrata.web.dashboard.cards import Page, frame
from timestrata.web.dashboard.pages import PAGES
from timestrata.web.dashboard.route import PageRoute, page
from timestrata.web.dashboard.view import Asked, View
from timestrata.web.principals import check_read
from timestrata.web.service import service_of
from timestrata.wording import tickets as texts
from timestrata.wording.words import Words

router = APIRouter(include_in_schema=False, route_class=PageRoute)

MOST_DAYS_DRAWN = 31
_SLOTS = 5
_LABELS = 12


@router.get("/tickets/workflow")
async def workflow(
    view: Asked, of: Annotated[str, Query(description="Whose it is.")], workflow_id: Annotated[str, Query()]
) -> Response:
    """Show one completed ticket. Its user and id are arguments: any text may be an id, and not all can be in a path."""
    check_read(view.principal, of)
    service = service_of(view.request)

    def load(view: View, history: History) -> Mapping[str, Any]:
        return _found(view.words, history, of, workflow_id)

    shown = Page("tickets", "/tickets", "workflow.html", texts, (), load=load, has_period=False)
    pages = [each for each in PAGES if each.is_open_to(view.principal)]
    return page(await service.run(lambda: frame(service, shown, pages, view)))


def _found(words: Words, history: History, user: str, workflow_id: str) -> Mapping[str, Any]:
    """Return what the page shows. Raises UnknownWorkflow."""
    try:
        recorded = history.workflow(user, workflow_id)
    except UnknownWorkflow:
        day = history.filed_on(user, workflow_id)
        if day is None:
            raise
        return {"ticket": workflow_id, "workflow": None, "archived_on": day}
    one, threshold = recorded.workflow, history.settings.gap_threshold
    facts = list(_facts(recorded, threshold, words))
    if one.timezone is not None:
        words = replace(words, zone=zone(one.timezone))
    days = list(_days(one, words))
    return {
        "ticket": one.ticket_key,
        "workflow": one,
        "facts": facts,
        "steps": _steps(one, threshold, words),
        "days": days[:MOST_DAYS_DRAWN],
        "more_days": len(days) > MOST_DAYS_DRAWN,
        "legend": [(step.name, _slot(place)) for place, step in enumerate(one.steps) if step.sessions],
        "sessions": _sessions(one, words),
        "zone": one.timezone,
    }


# -------------------------------------------------------------------------------------------------------------- tables


def _facts(recorded: Recorded, threshold: Fraction, words: Words) -> Iterator[tuple[str, str]]:
    """Yield what is known of it as a whole; `words` are the reader's, so that another zone is named."""
    one = recorded.workflow
    yield texts.PERSON, one.user_id
    yield texts.TICKET_TYPE, one.ticket_type
    yield texts.TEMPLATE, one.template
    yield texts.STARTED, _filed(one.started_at, one.timezone, words)
    yield texts.ENDED, _filed(one.completed_at, one.timezone, words)
    yield texts.ACTIVE, words.duration(one.active_seconds)
    yield texts.PAUSED, words.duration(sum(each.pause_seconds for step in one.steps for each in step.sessions))
    yield texts.ESTIMATE, words.duration(one.estimated_seconds)
    yield texts.RATIO, _ratio_text(one.active_seconds, one.estimated_seconds, threshold, words)
    if recorded.revision > 1:
        yield texts.REVISION, texts.CORRECTED.format(revision=words.count(recorded.revision))


def _ratio(actual: int, estimated: int | None) -> float | None:
    return actual / estimated if estimated else None


def _filed(at: datetime, timezone: str | None, words: Words) -> str:
    return words.moment(at) if timezone is None else words.filed(at, timezone)


def _ratio_text(actual: int, estimated: int | None, threshold: Fraction, words: Words) -> str:
    """Return what was taken of an estimate so that a gap reads as one."""
    above = float(threshold) if is_gap(actual, estimated, threshold) else None
    return words.percent(_ratio(actual, estimated), above)


def _steps(one: CompletedWorkflow, threshold: Fraction, words: Words) -> Table:
    rows = [_step_row(step, one.active_seconds, threshold, words) for step in one.steps]
    figures = (texts.ACTIVE, texts.SHARE, texts.PAUSED, texts.VISITS, texts.ESTIMATE, texts.RATIO)
    return Table(texts.STEPS, (Column(texts.STEP), *(Column(name, True) for name in figures)), tuple(rows))


def _step_row(step: StepTime, total: int, threshold: Fraction, words: Words) -> tuple[Cell, ...]:
    paused = sum(each.pause_seconds for each in step.sessions) if step.sessions else None
    visits = len(step.sessions) or None
    ratio, share = _ratio(step.active_seconds, step.estimated_seconds), _ratio(step.active_seconds, total)
    return (
        Cell(step.name),
        Cell(words.duration(step.active_seconds), step.active_seconds),
        Cell(words.percent(share), share),
        Cell(words.duration(paused), paused),
        Cell(words.count(visits), visits),
        Cell(words.duration(step.estimated_seconds), step.estimated_seconds),
        Cell(_ratio_text(step.active_seconds, step.estimated_seconds, threshold, words), ratio),
    )


def _sessions(one: CompletedWorkflow, words: Words) -> Table:
    found = sorted(((each, step) for step in one.steps for each in step.sessions), key=lambda pair: pair[0].started_at)
    rows = [
        (
            Cell(step.name),
            Cell(words.moment(each.started_at)),
            Cell(words.moment(each.ended_at)),
            Cell(words.duration(each.active_seconds), each.active_seconds),
            Cell(words.duration(each.pause_seconds), each.pause_seconds),
            Cell(", ".join(_span(pause.paused_at, pause.resumed_at, words) for pause in each.pauses)),
        )
        for each, step in found
    ]
    columns = (Column(texts.STEP), Column(texts.FROM), Column(texts.TO))
    figures = (Column(texts.ACTIVE, True), Column(texts.PAUSED, True), Column(texts.PAUSES))
    return Table(texts.SESSIONS, (*columns, *figures), tuple(rows))


def _span(start: datetime, end: datetime, words: Words) -> str:
    return texts.PAUSE.format(start=words.time(start), end=words.time(end))


# ------------------------------------------------------------------------------------------------------------ timeline


@dataclass(frozen=True, slots=True)
class _Bar:
    """A piece of a session or of a pause on one day; `x` and `width` are in per cent."""

    x: float
    width: float
    kind: str
    title: str


@dataclass(frozen=True, slots=True)
class _Day:
    label: str
    alt: str
    hours: tuple[tuple[float, str], ...]
    bars: tuple[_Bar, ...]


@dataclass(frozen=True, slots=True)
class _Piece:
    start: datetime
    end: datetime
    kind: str
    title: str


def _days(one: CompletedWorkflow, words: Words) -> Iterator[_Day]:
    """Yield the days with sessions, all of them from the earliest hour of any to the latest."""
    pieces = [
        piece
        for place, step in enumerate(one.steps)
        for session in step.sessions
        for piece in _pieces(session, step.name, f"slot{_slot(place)}", words)
    ]
    by_day: dict[date, list[_Piece]] = {}
    for piece in pieces:
        for part in _by_day(piece, words):
            by_day.setdefault(part.start.astimezone(words.zone).date(), []).append(part)
    midnights = {day: datetime(day.year, day.month, day.day, tzinfo=words.zone) for day in by_day}
    spans = [_hours(part, midnights[day]) for day, parts in by_day.items() for part in parts]
    if not spans:
        return
    first, last = int(min(start for start, _ in spans)), -int(-max(end for _, end in spans) // 1)
    frame = (first, max(last, first + 1))
    for day in sorted(by_day):
        yield _day(day, by_day[day], midnights[day], frame, words)


def _slot(place: int) -> int:
    return min(place, _SLOTS) + 1


def _pieces(session: TimeSession, name: str, kind: str, words: Words) -> Iterator[_Piece]:
    yield _Piece(session.started_at, session.ended_at, kind, _titled(name, session.started_at, session.ended_at, words))
    for pause in session.pauses:
        title = _titled(texts.PAUSED, pause.paused_at, pause.resumed_at, words)
        yield _Piece(pause.paused_at, pause.resumed_at, "pause", title)


def _titled(name: str, start: datetime, end: datetime, words: Words) -> str:
    return f"{name}: {_span(start, end, words)}"


def _by_day(piece: _Piece, words: Words) -> Iterator[_Piece]:
    """Cut a piece at the midnights of the zone."""
    start = piece.start
    while True:
        local = start.astimezone(words.zone)
        following = local.date() + timedelta(days=1)
        midnight = datetime(following.year, following.month, following.day, tzinfo=words.zone)
        if piece.end.timestamp() <= midnight.timestamp():
            yield replace(piece, start=start)
            return
        yield replace(piece, start=start, end=midnight)
        start = midnight


def _hours(piece: _Piece, midnight: datetime) -> tuple[float, float]:
    """Return the hours since midnight at which a piece begins and ends, as a stopwatch counts them."""
    zero = midnight.timestamp()
    return (piece.start.timestamp() - zero) / 3600, (piece.end.timestamp() - zero) / 3600


def _day(day: date, parts: Sequence[_Piece], midnight: datetime, frame: tuple[int, int], words: Words) -> _Day:
    first, last = frame
    unit = 100 / (last - first)
    bars = []
    for part in parts:
        start, end = _hours(part, midnight)
        bars.append(
            _Bar(round((start - first) * unit, 2), round(max((end - start) * unit, 0.15), 2), part.kind, part.title)
        )
    step = max(1, -(-(last - first) // _LABELS))
    moments = [(hour, midnight.timestamp() + hour * 3600) for hour in range(first, last, step)]
    hours = [
        (round((hour - first) * unit, 2), words.time(datetime.fromtimestamp(at, words.zone))) for hour, at in moments
    ]
    ordered = sorted(parts, key=lambda part: part.start.timestamp())
    alt = texts.TIMELINE_ALT.format(
        day=words.day(day),
        first=words.time(ordered[0].start),
        last=words.time(max(parts, key=lambda part: part.end.timestamp()).end),
        sessions=words.count(sum(part.kind != "pause" for part in parts)),
    )
    return _Day(words.day(day), alt, tuple(hours), tuple(bars))
