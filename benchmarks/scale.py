"""Import and reading at size: peak memory and rate of `timestrata import`, and the time of a person's year.

    uv run python benchmarks/scale.py [--database sqlite|postgresql|both] [--small 100000] [--large 1000000]

The same number of workflows a person in both stores: what is asked is whether a person's figures stay as fast when
everybody else's history grows around them. Prints medians of 50 summaries and the ratio.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import databases
import workload

from timestrata import DateRange, History, open_history
from timestrata.formats.jsonl import write_line

PER_USER = 2000
YEAR = DateRange.parse("2023-01-01", "2023-12-31")


def write_lines(path: Path, count: int) -> None:
    with path.open("w", encoding="utf-8") as out:
        for one in workload.workflows(count, users=count // PER_USER):
            out.write(write_line(one) + "\n")


def imported(url: str, path: Path, count: int) -> tuple[float, float]:
    """Import a file with the command line; return completions a second and the peak memory in MB."""
    command = [sys.executable, "-m", "timestrata", "import", "--database", url, str(path)]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        raise SystemExit(f"import failed: {status}")
    return count / seconds, usage.ru_maxrss / 1024


def of_a_year(history: History, user_id: str, repeat: int = 50) -> float:
    """Return the median milliseconds of a person's summary of a year."""
    history.summary(YEAR, user_id)
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        history.summary(YEAR, user_id)
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1000


def measure(new: Callable[[], str], path: Path, count: int) -> float:
    url = new()
    write_lines(path, count)
    rate, peak = imported(url, path, count)
    with open_history(url) as history:
        # The middle of the Zipf distribution, and its head, who completes about 100 workflows a day at the large size.
        middle, head = f"user{count // PER_USER // 2:05d}", "user00000"
        year = {user: history.summary(YEAR, user).completed for user in (middle, head)}
        times = {user: of_a_year(history, user) for user in (middle, head)}
        start = time.perf_counter()
        everyone = history.summary("all_time")
        whole = (time.perf_counter() - start) * 1000
    print(f"  {count:>9,} workflows, {count // PER_USER} users: imported at {rate:,.0f}/s, peak memory {peak:.0f} MB")
    for name, user in (("the middle user's year", middle), ("the busiest user's year", head)):
        print(f"            {name:24} {year[user]:>7,} completions  {times[user]:8.2f} ms")
    print(f"            {'everyone, all time':24} {everyone.completed:>7,} completions  {whole:8.2f} ms", flush=True)
    return times[middle]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--small", type=int, default=100_000)
    parser.add_argument("--large", type=int, default=1_000_000)
    arguments = parser.parse_args()
    makers: dict[str, Callable[[], AbstractContextManager[Any]]] = {
        "sqlite": databases.sqlite_urls,
        "postgresql": databases.postgresql_urls,
    }
    for name, maker in makers.items():
        if arguments.database in (name, "both"):
            print(name, flush=True)
            with tempfile.TemporaryDirectory() as folder, maker() as new:
                small, large = (measure(new, Path(folder) / "lines", n) for n in (arguments.small, arguments.large))
                print(f"  a middle user's year, large / small: {large / small:.2f}x   wanted <= 1.5, and < 10 ms")


if __name__ == "__main__":
    main()
