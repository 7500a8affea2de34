"""What group commit gains: callers that record one workflow at a time, together against one transaction each.

    uv run python benchmarks/group_commit.py [--database sqlite|postgresql|both] [--rounds 5] [--workflows 5000]

64 threads share one History; one thread is alone; on PostgreSQL, 8 threads against 8 processes of the usual design.
The sides take turns: round by round, each on a new database, and call by call where one thread is alone. Prints
completions a second, the latencies of a call (half of the calls are faster than p50, 99 % than p99), and the ratios
that count: medians over the rounds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from threading import Barrier
from typing import Any, NamedTuple

import databases
import record
import sides
import workload

from timestrata import CompletedWorkflow, History, open_history
from timestrata.ingest import Outcome

MANY = 64
FEW = 8
Record = Callable[[CompletedWorkflow], Outcome]


class Speed(NamedTuple):
    """Completions a second, and the latencies of a call in milliseconds."""

    rate: float
    p50: float = 0.0
    p99: float = 0.0


def together(history: History) -> Record:
    """Return record() as it is: callers that come at the same time share a transaction."""
    return history.record


def each_alone(history: History) -> Record:
    """Return record() without group commit: a transaction for every call."""
    return history._record_alone


def speed(call: Record, workflows: Sequence[CompletedWorkflow], threads: int) -> Speed:
    """Return how fast threads record, from the moment all of them are there."""
    ready = Barrier(threads + 1)

    def work(mine: Sequence[CompletedWorkflow]) -> list[float]:
        latencies = []
        ready.wait()
        for one in mine:
            start = time.perf_counter()
            outcome = call(one)
            latencies.append(time.perf_counter() - start)
            assert outcome.status == "recorded", outcome
        return latencies

    with ThreadPoolExecutor(threads) as pool:
        jobs: list[Future[list[float]]] = [pool.submit(work, workflows[number::threads]) for number in range(threads)]
        ready.wait()
        start = time.perf_counter()
        latencies = [latency for job in jobs for latency in job.result()]
        return _speed(latencies, time.perf_counter() - start)


def in_turns(sides: Sequence[Record], workflows: Sequence[CompletedWorkflow]) -> list[Speed]:
    """Return how fast one thread records by each side, call by call in turns on one database."""
    latencies: list[list[float]] = [[] for _ in sides]
    for number, one in enumerate(workflows):
        turn = number % len(sides)
        start = time.perf_counter()
        outcome = sides[turn](one)
        latencies[turn].append(time.perf_counter() - start)
        assert outcome.status == "recorded", outcome
    return [_speed(mine, sum(mine)) for mine in latencies]


def _speed(latencies: Sequence[float], seconds: float) -> Speed:
    ordered = sorted(latencies)
    p50, p99 = (1000 * ordered[int(share * len(ordered))] for share in (0.5, 0.99))
    return Speed(len(ordered) / seconds, p50, p99)


def measure(
    new: Callable[[], str],
    warm: Sequence[CompletedWorkflow],
    workflows: Sequence[CompletedWorkflow],
    turn: int,
    usual: bool,
) -> dict[str, Speed]:
    """Return the speed of every side, on databases that know the users and steps."""
    some = workflows[: max(1000, len(workflows) // 3)]

    def run(side: Callable[[History], Record], threads: int, mine: Sequence[CompletedWorkflow]) -> Speed:
        with opened() as history:
            return speed(side(history), mine, threads)

    def opened() -> History:
        url = new()
        sides.Batches(url)(warm)
        history = open_history(url)
        history.record(replace(warm[0], workflow_id="connected"))
        return history

    speeds: dict[str, Speed] = {}
    many = [(f"together, {MANY} callers", together), (f"each alone, {MANY} callers", each_alone)]
    for name, side in many if turn % 2 == 0 else reversed(many):
        speeds[name] = run(side, MANY, workflows)
    with opened() as history:
        speeds["together, 1 caller"], speeds["each alone, 1 caller"] = in_turns(
            (together(history), each_alone(history)), some
        )
    if usual:
        url = new()
        sides.database(url).script(sides.USUAL_TABLES)
        sides.Usual(url)(warm[:50])
        speeds[f"together, {FEW} callers"] = run(together, FEW, some)
        rate = record.rate_of_clients(sides.Usual, url, some)
        speeds[f"usual design, {FEW} processes"] = Speed(rate)
    return speeds


RATIOS: tuple[tuple[str, str, str, dict[str, float]], ...] = (
    (f"{MANY} callers", f"together, {MANY} callers", f"each alone, {MANY} callers", {"sqlite": 3.5, "postgresql": 2.5}),
    ("1 caller", "together, 1 caller", "each alone, 1 caller", {"sqlite": 0.95, "postgresql": 0.95}),
    (f"{FEW} callers / usual", f"together, {FEW} callers", f"usual design, {FEW} processes", {"postgresql": 4}),
)


def report(name: str, rounds: Sequence[dict[str, Speed]]) -> None:
    print(f"\n{name}, medians of {len(rounds)} rounds: {'completions/s':>22}{'p50 ms':>10}{'p99 ms':>10}")
    for side in rounds[0]:
        rate, *latencies = (statistics.median(values) for values in zip(*(one[side] for one in rounds), strict=True))
        print(f"  {side:36}{rate:14.0f}", *[f"{latency:9.2f}" for latency in latencies if latency])
    for label, over, under, wanted in RATIOS:
        if over in rounds[0]:
            rates = [one[over].rate / one[under].rate for one in rounds]
            print(
                f"  {label:24}{statistics.median(rates):8.2f}x  ({min(rates):.2f} .. {max(rates):.2f})"
                f"   wanted >= {wanted[name]:g}"
            )
            if rounds[0][under].p99:
                tails = [one[over].p99 / one[under].p99 for one in rounds]
                print(f"  {label + ', p99':24}{statistics.median(tails):8.2f}x  ({min(tails):.2f} .. {max(tails):.2f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--workflows", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    warm, workflows = record.split(list(workload.workflows(arguments.workflows + record.WARM)))
    makers: dict[str, Callable[[], AbstractContextManager[Any]]] = {
        "sqlite": databases.sqlite_urls,
        "postgresql": databases.postgresql_urls,
    }
    for name, maker in makers.items():
        if arguments.database in (name, "both"):
            with maker() as new:
                usual = name == "postgresql"
                report(name, [measure(new, warm, workflows, turn, usual) for turn in range(arguments.rounds)])


if __name__ == "__main__":
    main()
