"""The key figures of a report, each beside the period before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from timestrata.answers import Change, Overview
from timestrata.report.document import KeyFigure
from timestrata.report.verdicts import change_words
from timestrata.wording import report as t
from timestrata.wording.words import Words

_ON_ESTIMATE, _A_LITTLE_OVER = 1.0, 1.2


def key_figures(overview: Overview, words: Words) -> Iterator[KeyFigure]:
    """Yield tickets completed, average time, actual against estimate, and hours worked."""
    yield _figure("completed", t.COMPLETED, overview.completed, words.count, words)
    yield _figure("mean", t.MEAN, overview.mean_seconds, words.duration, words)
    ratio = overview.estimate_ratio
    figure = _figure("ratio", t.RATIO, ratio, words.percent, words, level(ratio.value))
    yield replace(figure, text=words.percent(ratio.value, _passed(ratio.value)))
    yield _figure("worked", t.WORKED, overview.worked_seconds, words.hours, words)


def level(ratio: float | None) -> str:
    """Return in words whether a ratio is within the estimates, empty where there are none."""
    if ratio is None:
        return ""
    return t.LEVELS[0 if ratio <= _ON_ESTIMATE else 1 if ratio <= _A_LITTLE_OVER else 2]


def _passed(ratio: float | None) -> float | None:
    """Return the limit that a ratio is above: rounded, it is not to contradict its level."""
    if ratio is None or ratio <= _ON_ESTIMATE:
        return None
    return _ON_ESTIMATE if ratio <= _A_LITTLE_OVER else _A_LITTLE_OVER


def _figure(
    name: str, label: str, change: Change, text: Callable[[float | None], str], words: Words, note: str = ""
) -> KeyFigure:
    return KeyFigure(
        name=name,
        label=label,
        text=text(change.value),
        value=change.value,
        arrow=t.ARROWS[change.direction],
        change=change_words(change, text(change.before), words),
        verdict=change.verdict,
        note=note,
    )
