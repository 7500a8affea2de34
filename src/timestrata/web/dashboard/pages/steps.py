"""The steps of each template: how long they take, against what was estimated, and whether that changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from timestrata.answers import Aggregation, AggregationReport, StepFigures
from timestrata.calendar import Bucket
from timestrata.history import History
from timestrata.report.document import Cell, Column, Table
from timestrata.report.tables import steps_table
from timestrata.trends import trend
from timestrata.web.dashboard import questions
from timestrata.web.dashboard.cards import Card, Page
from timestrata.web.dashboard.view import View
from timestrata.wording import steps as texts
from timestrata.wording.words import Words

_MOST_COLUMNS = 12
_LEAST_TO_DRAW = 3


def _templates(view: View, history: History) -> Mapping[str, Any]:
    """Return the templates to choose from: those of the period, and the one that is chosen."""
    found = {step.template for step in questions.all_steps(view, history)}
    return {"templates": sorted(found | ({view.template} if view.template is not None else set()))}


def _chart(view: View, history: History) -> Mapping[str, Any]:
    drawn = questions.longest_steps(view, history)
    count = view.words.count(len(drawn.steps))
    cut = len(drawn.steps) < drawn.count
    return {
        "table": steps_table(drawn, view.words),
        "lines": [texts.CHART_MOST.format(count=count)] if cut else [] if drawn.steps else [texts.NONE],
        "latest": None if drawn.steps else questions.latest(view, history),
        "alt": texts.CHART_ALT.format(count=count),
        "drawn": bool(drawn.steps),
    }


def _figures(view: View, history: History) -> Mapping[str, Any]:
    report, words = questions.steps(view, history), view.words
    named = view.template is None
    figures = (
        texts.DONE, texts.P25, texts.MEDIAN, texts.P75, texts.P90, texts.MEAN, texts.ESTIMATE, texts.RATIO, texts.OVER,
        texts.FIRST_PASS,
    )  # fmt: skip
    columns = (Column(texts.STEP), *([Column(texts.TEMPLATE)] if named else []))
    rows = tuple(_row(step, named, words) for step in report)
    return {
        "table": Table(texts.FIGURES, (*columns, *(Column(name, True) for name in figures)), rows),
        "threshold": float(history.settings.gap_threshold),
    }


def _row(step: StepFigures, named: bool, words: Words) -> tuple[Cell, ...]:
    times = (
        step.p25_seconds,
        step.p50_seconds,
        step.p75_seconds,
        step.p90_seconds,
        step.mean_seconds,
        step.mean_estimated_seconds,
    )
    over = step.gap_alerts / step.with_estimate if step.with_estimate else None
    shares = (step.estimate_ratio, over, step.first_pass_ratio)
    return (
        Cell(step.step_name),
        *([Cell(step.template)] if named else []),
        Cell(words.count(step.completed), step.completed),
        *(Cell(words.duration(seconds), seconds) for seconds in times),
        *(Cell(words.percent(share), share) for share in shares),
    )


# -------------------------------------------------------------------------------------------------------------- trends


@dataclass(frozen=True, slots=True)
class _Course:
    """The mean of one step over time: a line through the full buckets in a box of 100 by 30, and what it says."""

    name: str
    template: str
    line: str
    alt: str
    latest: float | None
    verdict: str
    buckets: int


def _trends(view: View, history: History) -> Mapping[str, Any]:
    bucket = questions.step_bucket(view)
    report = questions.step_trends(view, history)
    return {
        "bucket": bucket,
        "courses": [_course(step, view.words) for step in report],
        "table": _by_bucket(report, bucket, view.words),
        "cut": any(len(step.sub_groups) > _MOST_COLUMNS for step in report),
        "most": _MOST_COLUMNS,
    }


def _course(step: Aggregation, words: Words) -> _Course:
    means = [(place, one.mean_seconds) for place, one in enumerate(step.sub_groups) if not one.partial]
    known = [(place, mean) for place, mean in means if mean is not None]
    found = trend(known)
    first, last = (known[0][1], known[-1][1]) if known else (None, None)
    return _Course(
        step.name,
        step.template or "",
        _line(known, len(step.sub_groups)),
        texts.COURSE_ALT.format(first=words.duration(first), last=words.duration(last)),
        last,
        found.verdict,
        found.buckets,
    )


def _line(known: list[tuple[int, float]], count: int) -> str:
    if len(known) < _LEAST_TO_DRAW:
        return ""
    least, most = min(mean for _, mean in known), max(mean for _, mean in known)
    span = (most - least) or 1
    return " ".join(f"{100 * place / (count - 1):.1f},{28 - 26 * (mean - least) / span:.1f}" for place, mean in known)


def _by_bucket(report: AggregationReport, bucket: Bucket, words: Words) -> Table:
    """Return the means of the last buckets, one row a step."""
    starts = next((step.sub_groups[-_MOST_COLUMNS:] for step in report), ())
    heads = [words.bucket(one.bucket, bucket) for one in starts if one.bucket is not None]
    marked = [
        texts.PARTIAL.format(bucket=head) if one.partial else head for one, head in zip(starts, heads, strict=True)
    ]
    columns = (Column(texts.STEP), Column(texts.TEMPLATE), *(Column(head, True) for head in marked))
    return Table(texts.BY_BUCKET.format(bucket=texts.BUCKETS[bucket]), columns, tuple(_mean_rows(report, words)))


def _mean_rows(report: AggregationReport, words: Words) -> Iterator[tuple[Cell, ...]]:
    for step in report:
        means = [one.mean_seconds for one in step.sub_groups[-_MOST_COLUMNS:]]
        cells = (Cell(words.duration(mean), mean) for mean in means)
        yield (Cell(step.name), Cell(step.template or ""), *cells)


PAGE = Page(
    "steps",
    "/steps",
    "steps.html",
    texts,
    (
        Card("templates", "steps_templates.html", _templates),
        Card("steps", "steps_chart.html", _chart),
        Card("figures", "steps_figures.html", _figures),
        Card("courses", "steps_courses.html", _trends),
    ),
)
