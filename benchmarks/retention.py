"""Retention and audit at size: seconds, rate, processor time and peak memory of `retention run` and `verify`.

    uv run python benchmarks/retention.py [--sizes 1000000 10000000] [--database sqlite|postgresql|both]
                                          [--stores FOLDER]

Every completion is due: the worst run there is, the first one on an old store. The same number of workflows a person in
every store. What is asked is whether memory stays flat and time grows with the size: of a machine that has other work
too, compare the processor time. `--stores` keeps the imported SQLite stores in a folder, for the next time.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import databases
import workload

from timestrata import open_history

PER_USER = 2000


def fill(url: str, count: int) -> None:
    with open_history(url) as history:
        rows = workload.workflows(count, users=count // PER_USER)
        while batch := list(islice(rows, 1000)):
            history.record(batch)


class Cost(NamedTuple):
    """What a command took; processor time is its own, without that of a database server."""

    seconds: float
    processor_seconds: float
    peak_megabytes: float


def measured(arguments: list[str], archive: str) -> Cost:
    """Run a command; return what it took."""
    environment = os.environ | {"TIMESTRATA_ARCHIVE": archive}
    with tempfile.TemporaryFile() as out:
        began = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-m", "timestrata", *arguments], stdout=out, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        out.seek(0)
        answer = out.read()
    if status:
        raise SystemExit(f"{' '.join(arguments)}: {status}\n{answer[-2000:].decode()}")
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def measure(url: str, archive: str, count: int) -> None:
    database = ["--json", "--database", url]
    runs = (
        ("verify, all in the tables", ["verify", *database]),
        ("retention run", ["retention", "run", "--now", *database]),
        ("verify, all in the archive", ["verify", *database]),
        ("verify --deep", ["verify", "--deep", *database]),
    )
    for name, arguments in runs:
        cost = measured(arguments, archive)
        print(
            f"  {count:>10,}  {name:28} {cost.seconds:8.1f} s  {count / cost.seconds:8,.0f}/s  processor "
            f"{1e6 * cost.processor_seconds / count:6.1f} us each  {cost.peak_megabytes:6.0f} MB",
            flush=True,
        )
    size = sum(path.stat().st_size for path in Path(archive).rglob("*") if path.is_file())
    print(f"  {count:>10,}  {'archive':28} {size / count:8.1f} bytes a completion", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="sqlite")
    parser.add_argument("--stores", type=Path)
    asked = parser.parse_args()
    makers: dict[str, Any] = {"sqlite": databases.sqlite_urls, "postgresql": databases.postgresql_urls}
    for name, maker in makers.items():
        if asked.database not in (name, "both"):
            continue
        print(name, flush=True)
        with ExitStack() as stack:
            new = stack.enter_context(maker())
            for count in asked.sizes:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                url = new()
                kept = asked.stores / f"{count}.db" if asked.stores is not None and name == "sqlite" else None
                if kept is not None and kept.exists():
                    shutil.copy(kept, url.removeprefix("sqlite:///"))
                else:
                    fill(url, count)
                    if kept is not None:
                        shutil.copy(url.removeprefix("sqlite:///"), kept)
                measure(url, str(folder / "archive"), count)


if __name__ == "__main__":
    main()
