"""What a report says, part by part, in the words of its reader."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale

from timestrata.answers import Coverage
from timestrata.charts import specs
from timestrata.charts.heat_chart import MOST_DAYS
from timestrata.report import tables
from timestrata.report.document import THEMES, WIDEST, Document, Picture, Section
from timestrata.report.figures import MOST_ALERTS, Report
from timestrata.report.key_figures import key_figures
from timestrata.report.verdicts import change_words, trend_words
from timestrata.wording import report as t
from timestrata.wording.words import DEFAULT_LOCALE, Words

MOST_STEPS_DRAWN = 24
_NARROW = 520


def document(report: Report, words: Words | None = None) -> Document:
    """Put a report in words, by default in those of British English in the report's zone."""
    words = words or Words(Locale.parse(DEFAULT_LOCALE), ZoneInfo(report.timezone))
    overview, threshold = report.overview, words.percent(float(report.gap_threshold))
    return Document(
        language=words.language,
        is_right_to_left=words.locale.text_direction == "rtl",
        title=t.TITLE,
        who=t.EVERYONE if overview.user_id is None else overview.user_id,
        period=_period(report, words),
        lines=tuple(_lines(report, words)),
        empty=t.EMPTY if report.is_empty else "",
        key_figures=tuple(key_figures(overview, words)),
        sections=tuple(_sections(report, words)),
        definitions=tuple((term, meaning.format(threshold=threshold)) for term, meaning in t.DEFINED),
    )


def _period(report: Report, words: Words) -> str:
    dates = report.overview.dates
    if dates.days is None:
        return words.range(dates)
    shape = t.PERIOD_DAY if dates.days == 1 else t.PERIOD_DAYS
    return shape.format(range=words.range(dates), count=words.count(dates.days))


def _lines(report: Report, words: Words) -> Iterator[str]:
    overview = report.overview
    if overview.ticket_type is not None:
        yield t.OF_TYPE.format(name=overview.ticket_type)
    if overview.previous_dates is None:
        yield t.NOT_COMPARED
    else:
        yield t.COMPARED.format(range=words.range(overview.previous_dates))
    yield t.MADE_ON.format(day=words.day(report.made_on), zone=report.timezone)


def _sections(report: Report, words: Words) -> Iterator[Section]:
    if not report.is_empty:
        yield _trend(report, words)
        yield _types(report, words)
        yield _steps(report, words)
        if any(day.worked_seconds for day in report.days.points):
            yield _hours(report, words)
        yield _gaps(report, words)
        if report.overview.user_id is None:
            yield _people(report, words)
        yield _recent(report, words)
    yield Section("basis", t.BASIS, tuple(_basis(report, words)))


# -------------------------------------------------------------------------------------------------------- with charts


def _trend(report: Report, words: Words) -> Section:
    trend = report.trend
    title = t.TRENDS[trend.bucket]
    verdicts = [trend_words(each.trend, each.measure, trend.bucket, words) for each in (trend, report.overview.trend)]
    partial = any(point.partial for point in trend.points)
    draw = None
    if report.overview.summary.completed:
        alt = t.TREND_ALT.format(title=title, verdict=verdicts[0])
        draw = _picture("trend", specs.trend, trend, alt, WIDEST, types=report.ticket_types)
    return Section(
        "trend",
        title,
        (*verdicts, *([t.PARTIAL_NOTE[trend.bucket]] if partial else [])),
        draw,
        behind=tables.trend_table(trend, words),
    )


def _types(report: Report, words: Words) -> Section:
    summary = report.overview.summary
    draw = None
    if summary.completed:
        draw = _picture("types", specs.types, summary, t.TYPES_ALT, _NARROW, types=report.ticket_types)
    return Section("types", t.TYPES, (), draw, tables.types_table(summary, words))


def _steps(report: Report, words: Words) -> Section:
    steps = report.steps
    if steps is None:
        return Section("steps", t.STEPS, (t.STEPS_BY_TEMPLATE,))
    if not steps.steps:
        return Section("steps", t.STEPS, (t.STEPS_NONE,))
    drawn = steps.longest(MOST_STEPS_DRAWN)
    cut = len(drawn.steps) < len(steps.steps)
    lines = (t.STEPS_NOTE, *([t.STEPS_MOST.format(count=words.count(len(drawn.steps)))] if cut else []))
    draw = _picture("steps", specs.steps, drawn, t.STEPS_ALT, WIDEST)
    return Section("steps", t.STEPS, lines, draw, tables.steps_table(steps, words))


def _hours(report: Report, words: Words) -> Section:
    days = report.days
    longest = max(days.points, key=lambda day: day.worked_seconds)
    total = t.HOURS_TOTAL.format(
        hours=words.hours(sum(day.worked_seconds for day in days.points)),
        day=words.day(longest.bucket),
        most=words.hours(longest.worked_seconds),
    )
    is_cut = days.dates != report.overview.dates
    lines = (total, *([t.HOURS_LAST.format(weeks=words.count(MOST_DAYS // 7))] if is_cut else []))
    alt = t.HOURS_ALT.format(total=total)
    draw = _picture("hours", specs.heatmap, days, alt, WIDEST, week_start=words.first_weekday)
    return Section("hours", t.HOURS, lines, draw, behind=tables.hours_table(days, words))


def _picture(name: str, chart: Callable[..., Any], answer: object, alt: str, width: int, **options: object) -> Picture:
    return Picture(name, {theme: chart(answer, theme=theme, **options) for theme in THEMES}, alt, width)


# -------------------------------------------------------------------------------------------------------------- lists


def _gaps(report: Report, words: Words) -> Section:
    change = report.overview.gap_alerts
    counted = t.GAPS_COUNT.format(
        count=words.count(change.value), change=change_words(change, words.count(change.before), words)
    )
    page = report.alerts
    if not page.alerts:
        return Section("gaps", t.GAPS, (counted, t.GAPS_NONE))
    more = [t.GAPS_MORE.format(count=words.count(MOST_ALERTS))] if page.next is not None else []
    table = tables.gaps_table(page, _is_of_all(report), float(report.gap_threshold), words)
    return Section("gaps", t.GAPS, (counted, *more), None, table)


def _people(report: Report, words: Words) -> Section:
    people = report.people
    if people is None:
        many = t.PEOPLE_MANY.format(count=words.count(report.overview.summary.users))
        return Section("people", t.PEOPLE, (many,))
    note = t.PEOPLE_NOTE.format(least=words.count(tables.LEAST_TO_COMPARE))
    return Section("people", t.PEOPLE, (note,), None, tables.people_table(people, words))


def _recent(report: Report, words: Words) -> Section:
    recent = report.overview.recent
    if not recent:
        return Section("recent", t.RECENT, (t.RECENT_NONE,))
    table = tables.recent_table(recent, _is_of_all(report), float(report.gap_threshold), words)
    return Section("recent", t.RECENT, (), None, table)


def _is_of_all(report: Report) -> bool:
    return report.overview.user_id is None


def _basis(report: Report, words: Words) -> Iterator[str]:
    coverage: Coverage = report.overview.coverage
    yield t.BASIS_REVISION.format(revision=words.count(coverage.revision))
    if coverage.raw_from is None:
        yield t.BASIS_RAW
    else:
        yield t.BASIS_RAW_FROM.format(day=words.day(coverage.raw_from))
    if coverage.sealed_through is not None:
        yield t.BASIS_SEALED.format(day=words.day(coverage.sealed_through))
    if coverage.held_out:
        held = t.BASIS_HELD_ONE if coverage.held_out == 1 else t.BASIS_HELD
        yield held.format(count=words.count(coverage.held_out))
    if not report.steady:
        yield t.CHANGED_MEANWHILE
