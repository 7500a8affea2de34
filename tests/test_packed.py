"""The steps of a completion in one column come back as they went in, and other tools can read them as JSON."""

from __future__ import annotations

import doctest
import json

from hypothesis import given
from hypothesis import strategies as st

from timestrata import packed
from timestrata.facts import MAX_ESTIMATE_SECONDS, MAX_SECONDS
from timestrata.packed import PackedStep, pack, unpack

SECONDS = st.integers(0, MAX_SECONDS)
STEPS = st.builds(
    PackedStep, st.integers(1), SECONDS, SECONDS, st.integers(0), st.none() | st.integers(1, MAX_ESTIMATE_SECONDS)
)


@given(st.lists(STEPS))
def test_what_is_packed_comes_back(steps: list[PackedStep]) -> None:
    assert unpack(pack(steps)) == steps


@given(st.lists(STEPS))
def test_packed_steps_are_compact_json(steps: list[PackedStep]) -> None:
    assert pack(steps) == json.dumps(steps, separators=(",", ":"))


def test_the_examples() -> None:
    assert doctest.testmod(packed).failed == 0
