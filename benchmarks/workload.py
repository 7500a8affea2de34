"""Generated workflows to measure with: made by a seeded generator, the same on every machine."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from timestrata import CompletedWorkflow, StepTime

TYPES = ("Bug", "Feature", "Story", "Incident", "Chore", "Änderung", "調査")
STEPS = ("Prepare", "Analyse", "Implement", "Review", "Test")
START = datetime(2023, 1, 1, tzinfo=UTC)


def workflows(
    count: int, users: int = 500, templates: int = 12, days: int = 730, seed: int = 7
) -> Iterator[CompletedWorkflow]:
    """Yield `count` workflows of five steps in order of completion, spread over users like a Zipf distribution."""
    draw = random.Random(seed)
    names = [f"user{number:05d}" for number in range(users)]
    weights = [1 / rank**0.9 for rank in range(1, users + 1)]
    pace = days * 86_400 / count
    for number in range(count):
        template = draw.randrange(templates)
        steps = tuple(
            StepTime(index, name, round(draw.lognormvariate(6.4, 0.9)), 60 * draw.randrange(10, 30))
            for index, name in enumerate(STEPS)
        )
        active = sum(step.active_seconds for step in steps)
        completed = START + timedelta(seconds=(number + draw.random()) * pace)
        yield CompletedWorkflow(
            workflow_id=f"w{number:09d}",
            user_id=draw.choices(names, weights)[0],
            ticket_key=f"TK-{draw.randrange(count)}",
            ticket_type=draw.choice(TYPES),
            template=f"template-{template:03d}",
            started_at=completed - timedelta(seconds=active + draw.randrange(3600)),
            completed_at=completed,
            estimated_seconds=sum(step.estimated_seconds or 0 for step in steps),
            steps=steps,
        )
