"""The overview: how are we doing, where is it changing, what should I do?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from timestrata.answers import Change, Figures, Overview, Summary, TrendReport
from timestrata.calendar import BUCKETS
from timestrata.charts.heat_chart import MOST_DAYS
from timestrata.history import History
from timestrata.report import trend_words
from timestrata.report.document import Cell, Column, Table
from timestrata.report.tables import LEAST_TO_COMPARE, hours_table, steps_table, types_table
from timestrata.web.dashboard import questions
from timestrata.web.dashboard.cards import Card, Page
from timestrata.web.dashboard.view import View
from timestrata.wording import common, gap_rows
from timestrata.wording import overview as texts
from timestrata.wording.words import Words

MOST_BARS = 120
_LEAST_TO_DRAW = 3
_MOST_TYPES = 8
_MOST_BRIEF = 5
"""Ticket types in the short table under their chart; with more the card is higher than the trend beside it."""
_MOST_ROWS = 6
_MOST_PEOPLE = 10


# ---------------------------------------------------------------------------------------------------- around the cards


def _frame(view: View, history: History) -> Mapping[str, Any]:
    """Tell whether there is anything to show; for as long as nothing was recorded there are no cards.

    A person who is not the reader may be nobody: a link that was mistyped.
    """
    is_new = view.revision.number == 0
    return {"is_new": is_new, "is_nobody": is_new and view.user not in (None, view.principal.user)}


def _notice(view: View, history: History) -> Mapping[str, Any]:
    found, gaps = questions.overview(view, history), questions.gaps(view, history)
    counts = (texts.GAPS_TICKETS, gaps.workflow_count), (texts.GAPS_STEPS, gaps.count - gaps.workflow_count)
    over = [text[count == 1].format(count=view.words.count(count)) for text, count in counts if count]
    return {
        "is_empty": is_empty(found),
        "latest": questions.latest(view, history) if is_empty(found) else None,
        "gaps": texts.GAPS_BOTH.join(over),
        "threshold": float(history.settings.gap_threshold),
    }


def is_empty(found: Overview) -> bool:
    """Tell whether nothing was completed or worked on."""
    return not (found.summary.completed or found.summary.worked_seconds)


# --------------------------------------------------------------------------------------------------------- key figures

_FIELDS = {"completed": "completed", "mean": "mean_seconds", "ratio": "estimate_ratio", "worked": "worked_seconds"}
_MOVING = {"completed": "moving_completed", "mean": "moving_mean_seconds", "worked": "moving_worked_seconds"}


def _kpis(view: View, history: History) -> Mapping[str, Any]:
    found = questions.overview(view, history)
    last = found.dates.last
    to_come = 0 if last is None else (last - view.revision.today).days
    first = found.dates.first
    is_ahead = first is not None and first > view.revision.today
    return {
        "previous": found.previous_dates,
        "figures": [_kpi(name, found, view.words) for name in _FIELDS],
        "is_ahead": is_ahead,
        "to_come": max(0, to_come),
    }


def _kpi(name: str, found: Overview, words: Words) -> dict[str, Any]:
    change: Change = getattr(found, _FIELDS[name])
    text = _text_of(name, words)
    level = _level(change.value) if name == "ratio" else None
    return {
        "name": f"kpi-{name}",
        "title": texts.KPIS[name],
        "way": texts.WAYS[name],
        "value": change.value,
        "text": words.percent(change.value, _OVER[level]) if level else text(change.value),
        "level": level,
        "change": change,
        "before": text(change.before),
        "has_previous": found.previous is not None,
        "spark": _spark(found.trend, name),
        "types": list(_kpi_types(found, _FIELDS[name], text)),
        "more_types": max(0, len(found.summary.by_ticket_type) - _MOST_TYPES),
    }


def _text_of(name: str, words: Words) -> Callable[[float | None], str]:
    return {"completed": words.count, "mean": words.duration, "ratio": words.percent, "worked": words.duration}[name]


_OVER = {"good": None, "warning": 1.0, "bad": 1.2}
"""What a ratio of a level is above: one that is rounded is not to contradict it."""


def _level(ratio: float | None) -> str | None:
    if ratio is None:
        return None
    return "good" if ratio <= 1.0 else "warning" if ratio <= 1.2 else "bad"


def _kpi_types(found: Overview, field: str, text: Callable[[float | None], str]) -> Iterator[tuple[str, str, str]]:
    """Yield the types with the most tickets: their names, the figure now and before."""
    before: Mapping[str, Figures] = {} if found.previous is None else found.previous.by_ticket_type
    now = found.summary.by_ticket_type
    for name in sorted(now, key=lambda each: -now[each].completed)[:_MOST_TYPES]:
        earlier = getattr(before[name], field) if name in before else None
        yield name, text(getattr(now[name], field)), text(earlier)


def _spark(trend: TrendReport, name: str) -> str:
    """Return the points of a line in a box of 100 by 30: the moving average, else the full buckets; or nothing."""
    full = [point for point in trend.points if not point.partial]
    for field in (_MOVING.get(name), _FIELDS[name]):
        values = [getattr(point, field) for point in full] if field is not None else []
        known = [(place, value) for place, value in enumerate(values) if value is not None]
        if len(known) >= _LEAST_TO_DRAW and any(value for _, value in known):
            return _line(known, len(values))
    return ""


def _line(known: Sequence[tuple[int, float]], count: int) -> str:
    least, most = min(value for _, value in known), max(value for _, value in known)
    span, width = (most - least) or 1, max(1, count - 1)
    return " ".join(f"{100 * place / width:.1f},{28 - 26 * (value - least) / span:.1f}" for place, value in known)


# -------------------------------------------------------------------------------------------------------------- charts


def _trend(view: View, history: History) -> Mapping[str, Any]:
    finest = questions.overview(view, history).trend.bucket
    trend = questions.trend(view, history)
    is_empty = not any(getattr(point, trend.measure) for point in trend.points)
    verdict = trend_words(trend.trend, trend.measure, trend.bucket, view.words)
    lines = [texts.TREND_NONE if is_empty else verdict]
    if not is_empty and any(point.partial for point in trend.points):
        lines.append(texts.PARTIAL[trend.bucket])
    if view.bucket is not None and view.bucket != trend.bucket:
        lines.append(texts.COARSER[trend.bucket].format(most=view.words.count(MOST_BARS)))
    title = texts.TRENDS[view.measure][trend.bucket]
    drawn = len(trend.points) >= _LEAST_TO_DRAW and not is_empty
    return {
        "trend": trend,
        "title": title,
        "lines": [*lines, *([] if drawn or is_empty else [texts.FEW])],
        "alt": texts.TREND_ALT.format(title=title, verdict=verdict),
        "table": None if is_empty else trend_table(trend, title, view.words),
        "buckets": BUCKETS[BUCKETS.index(finest) :],
        "drawn": drawn,
    }


def trend_table(trend: TrendReport, title: str, words: Words) -> Table:
    """Return the figures of the picture of a trend: one row a bucket, a column a ticket type."""
    text = words.count if trend.measure == "completed" else words.hours
    moving = f"moving_{trend.measure}"
    names = [texts.TOTAL, texts.MOVING[trend.bucket], *trend.by]
    rows = []
    for place, point in enumerate(trend.points):
        bucket = words.bucket(point.bucket, trend.bucket)
        values = [getattr(point, trend.measure), getattr(point, moving)]
        values += [getattr(one.points[place], trend.measure) for one in trend.by.values()]
        shown = texts.PARTIAL_BUCKET.format(bucket=bucket) if point.partial else bucket
        rows.append((Cell(shown), *(Cell(text(value), value) for value in values)))
    return Table(title, (Column(common.PERIOD), *(Column(name, True) for name in names)), tuple(rows))


def _types(view: View, history: History) -> Mapping[str, Any]:
    summary = questions.overview(view, history).summary
    most = max(summary.by_ticket_type, key=lambda name: summary.by_ticket_type[name].completed, default="")
    return {
        "brief": _brief(summary, view.words) if len(summary.by_ticket_type) <= _MOST_BRIEF else None,
        "table": types_table(summary, view.words) if summary.by_ticket_type else None,
        "links": {name: view.link("/tickets", ticket_type=name) for name in summary.by_ticket_type},
        "lines": [] if summary.by_ticket_type else [texts.TYPES_NONE],
        "alt": texts.TYPES_ALT.format(most=most),
        "drawn": summary.completed > 0,
    }


def _brief(summary: Summary, words: Words) -> Table:
    """Return the ticket types in three columns, those with the most tickets first.

    Of more than a few the whole table under the chart has to do: of 24 types the card was three screens high with both.
    """
    ordered = sorted(summary.by_ticket_type.items(), key=lambda item: -item[1].completed)
    rows = tuple(
        (
            Cell(name),
            Cell(words.count(one.completed), one.completed),
            Cell(words.percent(one.estimate_ratio), one.estimate_ratio),
        )
        for name, one in ordered
    )
    columns = (Column(common.TICKET_TYPE), Column(texts.MEASURES["completed"], True), Column(texts.RATIO, True))
    return Table(texts.TYPES_BRIEF, columns, rows)


def _steps(view: View, history: History) -> Mapping[str, Any]:
    if view.ticket_type is not None:
        return {"table": None, "lines": [texts.STEPS_OF_TYPE], "drawn": False}
    drawn = questions.longest_steps(view, history)
    cut = len(drawn.steps) < drawn.count
    lines = [texts.STEPS_MOST.format(count=view.words.count(len(drawn.steps)))] if cut else []
    return {
        "table": steps_table(drawn, view.words),
        "lines": lines if drawn.steps else [texts.STEPS_NONE],
        "drawn": bool(drawn.steps),
    }


def _hours(view: View, history: History) -> Mapping[str, Any]:
    questions.await_overview(view, history)
    days = questions.days(view, history)
    if not any(day.worked_seconds for day in days.points):
        return {"table": None, "subtitle": texts.HOURS_NONE, "alt": "", "drawn": False}
    longest = max(days.points, key=lambda day: day.worked_seconds)
    most, day = view.words.hours(longest.worked_seconds), view.words.day(longest.bucket)
    cut = days.dates != questions.overview(view, history).dates
    last = texts.HOURS_LAST.format(weeks=view.words.count(MOST_DAYS // 7))
    return {
        "table": hours_table(days, view.words),
        "subtitle": f"{texts.HOURS_SUB} {last}" if cut else texts.HOURS_SUB,
        "alt": texts.HOURS_ALT.format(most=most, day=day),
        "drawn": True,
    }


# --------------------------------------------------------------------------------------------------------------- lists


def _gaps(view: View, history: History) -> Mapping[str, Any]:
    page = questions.gaps(view, history)
    return {
        "alerts": page.alerts[:_MOST_ROWS],
        "more": len(page.alerts) > _MOST_ROWS,
        "threshold": float(history.settings.gap_threshold),
        "g": gap_rows,
    }


def _team(view: View, history: History) -> Mapping[str, Any]:
    """Return everyone who did anything, by name. Nobody is set beside others while only one person is shown."""
    if view.user is not None or not view.principal.may_read_all:
        return {"people": None}
    questions.await_overview(view, history)
    report = questions.people(view, history, _MOST_PEOPLE)
    return {
        "people": report.groups,
        "more": report.count - len(report.groups),
        "least": LEAST_TO_COMPARE,
    }


def _recent(view: View, history: History) -> Mapping[str, Any]:
    threshold = float(history.settings.gap_threshold)
    return {"recent": questions.overview(view, history).recent[:_MOST_ROWS], "threshold": threshold}


PAGE = Page(
    "overview",
    "/",
    "overview.html",
    texts,
    (
        Card("notice", "notice.html", _notice),
        Card("kpis", "kpis.html", _kpis),
        Card("trend", "trend.html", _trend),
        Card("types", "types.html", _types),
        Card("steps", "overview_steps.html", _steps),
        Card("hours", "hours.html", _hours),
        Card("gaps", "overview_gaps.html", _gaps),
        Card("team", "overview_team.html", _team),
        Card("recent", "recent.html", _recent),
    ),
    load=_frame,
)
