"""What the figures of everyone cost: asked for the first time, and again after somebody did something.

    uv run python benchmarks/everyone.py [--database sqlite|postgresql|both] [--workflows 1000000] [--rounds 9]
        [--stores FOLDER]

Of each question: `first` is asked of a History that has kept nothing; `again` of one that keeps what it added up, each
time after the busiest person but five recorded one more workflow; `idle` after nothing happened. Medians, in one run.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dashboard import NOW, USER, Recorder, postgresql_store, sqlite_store

from timestrata import History, open_history

QUESTIONS: dict[str, Callable[[History, str], Any]] = {
    "summary": lambda history, dates: history.summary(dates),
    "overview": lambda history, dates: history.overview(dates, by="ticket_type"),
    "steps": lambda history, dates: history.steps(dates),
    "people": lambda history, dates: history.aggregations(dates, "user"),
    "steps by week": lambda history, dates: history.aggregations(dates, "step", "week"),
}
RANGES = ("last_30_days", "last_12_months")
_FIRST_ROUNDS = 3
_SPLITS = 4
"""Changes after which a person's share is known by itself."""


def milliseconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1000


def measure(url: str, dates: str, rounds: int) -> None:
    print(f"\n{dates:16} {'first':>10} {'again':>10} {'idle':>10}   first / again")
    for name, ask in QUESTIONS.items():
        first = []
        for _ in range(_FIRST_ROUNDS):
            with open_history(url, clock=lambda: NOW) as fresh:
                fresh.summary("today")  # its connection, and its statements
                first.append(milliseconds(lambda: ask(fresh, dates)))  # noqa: B023
        with open_history(url, clock=lambda: NOW) as history:
            change = Recorder(history, (USER,))
            again, idle = [], []
            for _ in range(_SPLITS + rounds):
                change()
                again.append(milliseconds(lambda: ask(history, dates)))  # noqa: B023
                idle.append(milliseconds(lambda: ask(history, dates)))  # noqa: B023
        figures = [statistics.median(each) for each in (first, again[_SPLITS:], idle[_SPLITS:])]
        told = " ".join(f"{each:7,.0f} ms" for each in figures)
        print(f"{name:16} {told}   {figures[0] / figures[1]:.0f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="sqlite")
    parser.add_argument("--workflows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--stores", type=Path)
    arguments = parser.parse_args()
    for name, store in (("sqlite", sqlite_store), ("postgresql", postgresql_store)):
        if arguments.database in (name, "both"):
            with store(arguments.stores, arguments.workflows) as url:
                print(f"{name}, {arguments.workflows:,} workflows")
                for dates in RANGES:
                    measure(url, dates, arguments.rounds)


if __name__ == "__main__":
    main()
