"""How fast workflows are recorded, against the usual design and against the bare facts, in one run.

    uv run python benchmarks/record.py [--database sqlite|postgresql|both] [--workflows 20000] [--rounds 3]

Prints completions a second (medians over the rounds, each on a new database) and the ratios that count.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import databases
import sides
import workload

from timestrata import CompletedWorkflow

CLIENTS = 8
WARM = 5_000
Run = Callable[[Sequence[CompletedWorkflow]], None]
Side = Callable[[str], Run]


def rate(run: Run, workflows: Sequence[CompletedWorkflow]) -> float:
    """Return completions a second of one client that is connected already."""
    start = time.perf_counter()
    run(workflows)
    return len(workflows) / (time.perf_counter() - start)


def _client(side: Side, url: str, workflows: Sequence[CompletedWorkflow], ready: Any, finished: Any) -> None:
    run = side(url)
    run(workflows[:10])  # connected, prepared
    ready.wait()
    start = time.perf_counter()
    run(workflows[10:])
    finished.put(time.perf_counter() - start)


def rate_of_clients(side: Side, url: str, workflows: Sequence[CompletedWorkflow]) -> float:
    """Return completions a second of eight processes, from the moment all of them are connected."""
    context = multiprocessing.get_context("spawn")
    ready, finished = context.Barrier(CLIENTS), context.Queue()
    parts = [workflows[number::CLIENTS] for number in range(CLIENTS)]
    processes = [context.Process(target=_client, args=(side, url, part, ready, finished)) for part in parts]
    for process in processes:
        process.start()
    seconds = float(max(finished.get() for _ in processes))
    for process in processes:
        process.join()
    return (len(workflows) - 10 * CLIENTS) / seconds


def measure(
    new: Callable[[], str], warm: Sequence[CompletedWorkflow], workflows: Sequence[CompletedWorkflow], clients: bool
) -> dict[str, float]:
    """Return completions a second of each side, each on a database of its own that knows the users and steps."""
    few = workflows[: max(400, len(workflows) // 20)]
    some = workflows[: max(1000, len(workflows) // 5)]

    def usual() -> str:
        url = new()
        sides.database(url).script(sides.USUAL_TABLES)
        sides.Usual(url)(warm[:50])
        return url

    def bare() -> str:
        url = new()
        sides.database(url).script(sides.BARE_TABLES)
        return url

    def store() -> str:
        url = new()
        sides.Batches(url)(warm)
        return url

    rates = {
        "usual, 1 client": rate(sides.Usual(usual()), few),
        "bare facts, rows made before": rate(sides.MadeBefore(bare(), workflows), workflows),
        "bare facts, from workflows": rate(sides.Bare(bare()), workflows),
        "history, batches of 1000": rate(sides.Batches(store()), workflows),
        "history, one by one": rate(sides.OneByOne(store()), some),
    }
    if clients:
        rates["usual, 8 clients"] = rate_of_clients(sides.Usual, usual(), few)
        rates["history, one by one, 8 clients"] = rate_of_clients(sides.OneByOne, store(), some)
    return rates


RATIOS: tuple[tuple[str, str, str, dict[str, float]], ...] = (
    ("batches / usual", "history, batches of 1000", "usual, 1 client", {"sqlite": 6, "postgresql": 20}),
    (
        "batches / bare facts",
        "history, batches of 1000",
        "bare facts, from workflows",
        {"sqlite": 0.25, "postgresql": 0.30},
    ),
    ("batches / bare facts made before", "history, batches of 1000", "bare facts, rows made before", {}),
    ("one by one / usual", "history, one by one", "usual, 1 client", {"postgresql": 4}),
    ("8 clients / usual, 8 clients", "history, one by one, 8 clients", "usual, 8 clients", {"postgresql": 4}),
)


def report(name: str, rounds: Sequence[dict[str, float]]) -> None:
    print(f"\n{name}: completions a second, median of {len(rounds)} (least .. most)")
    for side in rounds[0]:
        values = [one[side] for one in rounds]
        print(f"  {side:34} {statistics.median(values):10.0f}   ({min(values):.0f} .. {max(values):.0f})")
    for label, over, under, wanted in RATIOS:
        if over in rounds[0] and under in rounds[0]:
            values = [one[over] / one[under] for one in rounds]
            target = f"   wanted >= {wanted[name]:g}" if name in wanted else ""
            print(f"  {label:34} {statistics.median(values):10.2f}x  ({min(values):.2f} .. {max(values):.2f}){target}")


def split(workflows: list[CompletedWorkflow]) -> tuple[list[CompletedWorkflow], list[CompletedWorkflow]]:
    return workflows[:WARM], workflows[WARM:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--workflows", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    warm, workflows = split(list(workload.workflows(arguments.workflows + WARM)))
    makers: dict[str, Callable[[], AbstractContextManager[Any]]] = {
        "sqlite": databases.sqlite_urls,
        "postgresql": databases.postgresql_urls,
    }
    for name, maker in makers.items():
        if arguments.database in (name, "both"):
            with maker() as new:
                report(name, [measure(new, warm, workflows, name == "postgresql") for _ in range(arguments.rounds)])


if __name__ == "__main__":
    main()
