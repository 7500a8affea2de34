"""The steps of a completion in one column come back as they went in, and other tools can read them as JSON."""

from __future__ import annotations

import doctest
import json

import strategies
from hypothesis import given
from hypothesis import strategies as st

from timestrata import CompletedWorkflow, packed
from timestrata.calendar import local_days
from timestrata.facts import visits
from timestrata.measures import Labels, contribution, file_under
from timestrata.packed import PackedStep, pack, unpack


@given(strategies.workflows(), st.integers(1, 10**9))
def test_what_is_packed_comes_back(fact: CompletedWorkflow, first: int) -> None:
    entered = visits(fact)
    ids = range(first, first + len(fact.steps))
    packed = pack(contribution(file_under(fact, local_days("UTC"), "UTC"), Labels(1, 1, 1, tuple(ids))).steps)

    steps = [
        PackedStep(step_id, step.active_seconds, step.pause_seconds, entered[step.index], step.estimated_seconds)
        for step_id, step in zip(ids, fact.steps, strict=True)
    ]
    assert unpack(packed) == steps
    assert packed == json.dumps(steps, separators=(",", ":"))


def test_the_examples() -> None:
    assert doctest.testmod(packed).failed == 0
