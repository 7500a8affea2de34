"""The steps of a completion in one column: compact JSON, an array [step id, active, paused, visits, estimate] each.

They are read and written with their completion and never without it, so that a row of their own would only cost:
measured, five rows a completion took a sixth of the time of recording it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple

from timestrata.measures import Observed


class PackedStep(NamedTuple):
    """The time of one step of a completion, as it is kept."""

    step_id: int
    active_seconds: int
    paused_seconds: int
    visits: int
    estimated_seconds: int | None
    """More than 0, None without an estimate."""


def pack(steps: Iterable[Observed]) -> str:
    """Return the column text of the steps of a contribution, whose labels are their ids.

    >>> pack([(7, 600, 0, 1, 900, 0), (8, 60, 5, 2, None, 0)])
    '[[7,600,0,1,900],[8,60,5,2,null]]'
    """
    # Spelled out: json.dumps() takes twice as long.
    texts = [
        f"[{step_id},{active},{paused},{visits},{estimated or 'null'}]"
        for step_id, active, paused, visits, estimated, _ in steps
    ]
    return f"[{','.join(texts)}]"


def unpack(text: str) -> list[PackedStep]:
    """Return the steps of a column text: the inverse of pack().

    >>> unpack("[[7,600,0,1,900],[8,60,5,2,null]]")[1]
    PackedStep(step_id=8, active_seconds=60, paused_seconds=5, visits=2, estimated_seconds=None)
    """
    return [PackedStep._make(step) for step in json.loads(text)]
