"""The steps of a completion in one column: compact JSON, an array [step id, active, paused, visits, estimate] each.

They are read and written with their completion and never without it, so that a row of their own would only cost:
measured, five rows a completion took a sixth of the time of recording it.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Mapping
from typing import NamedTuple

from timestrata.facts import StepTime


class PackedStep(NamedTuple):
    """The time of one step of a completion, as it is kept."""

    step_id: int
    active_seconds: int
    paused_seconds: int
    visits: int
    estimated_seconds: int | None
    """More than 0, None without an estimate."""


def pack(step_ids: Iterable[Hashable], steps: Iterable[StepTime], visits: Mapping[int, int]) -> str:
    """Return the column text of steps, given their ids and how often each index was entered; once when left out.

    >>> pack((7, 8), (StepTime(0, "Test", 600, 900), StepTime(1, "Fix", 60)), {1: 2})
    '[[7,600,0,1,900],[8,60,0,2,null]]'
    """
    # Spelled out: json.dumps() takes twice as long.
    texts = [
        f"[{step_id},{step.active_seconds},{step.pause_seconds},{visits.get(step.index, 1)}"
        f",{step.estimated_seconds or 'null'}]"
        for step_id, step in zip(step_ids, steps, strict=True)
    ]
    return f"[{','.join(texts)}]"


def unpack(text: str) -> list[PackedStep]:
    """Return the steps of a column text: the inverse of pack().

    >>> unpack("[[7,600,0,1,900],[8,60,5,2,null]]")[1]
    PackedStep(step_id=8, active_seconds=60, paused_seconds=5, visits=2, estimated_seconds=None)
    """
    return [PackedStep._make(step) for step in json.loads(text)]
