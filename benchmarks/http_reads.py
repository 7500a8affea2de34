"""How fast figures are read over HTTP, against a bare route of the same framework that returns the same bytes.

    uv run python benchmarks/http_reads.py [--database sqlite|postgresql|both] [--rounds 5] [--seconds 4] [--writes]

One uvicorn worker, 64 keep-alive connections, a person's 30-day summary with a bearer token. The bare route is alone in
an application without anything around it: no token is checked, nothing is logged or counted. Rounds alternate. With
--writes somebody else's workflows are recorded all the while, 100 a second, by another process.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import socket
import statistics
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import databases
import load
import workload

from timestrata import open_history

USER = "user00005"
PATH = f"/api/v1/time/history/{USER}"
NOW = datetime(2024, 6, 15, 12, tzinfo=UTC)
WORKFLOWS = 20_000
WRITES_A_SECOND = 100


def serve_real(url: str, port: int) -> None:
    """Serve the store as `timestrata serve` does, its log to a file that nobody reads."""
    import uvicorn

    from timestrata.web.app import create_app
    from timestrata.web.config import Config

    with open_history(url, clock=lambda: NOW) as history, open("/dev/null", "w") as log:  # noqa: PTH123
        app = create_app(history, Config(rate_limit=None, log_file=log))
        uvicorn.run(app, port=port, log_level="warning", access_log=False)


def serve_bare(body: bytes, port: int) -> None:
    """Serve bytes from the smallest route there is."""
    import uvicorn
    from fastapi import FastAPI, Response

    app = FastAPI()

    @app.get(PATH)
    async def bare() -> Response:
        return Response(body, media_type="application/json")

    uvicorn.run(app, port=port, log_level="warning", access_log=False)


def write_on(url: str) -> None:
    """Record workflows of somebody else until the process is ended."""
    with open_history(url, clock=lambda: NOW) as history:
        for one in workload.workflows(1_000_000, users=3, seed=8):
            history.record(type(one)(**{**_fields(one), "user_id": "writer", "workflow_id": f"x{one.workflow_id}"}))
            time.sleep(1 / WRITES_A_SECOND)


def _fields(one: Any) -> dict[str, Any]:
    names = ("ticket_key", "ticket_type", "template", "started_at", "completed_at", "estimated_seconds", "steps")
    return {name: getattr(one, name) for name in names}


@contextmanager
def process(target: Callable[..., None], *args: Any) -> Iterator[int]:
    """Run something in a process of its own, whose id is lent."""
    started = multiprocessing.get_context("spawn").Process(target=target, args=args)
    started.start()
    try:
        yield started.pid or 0
    finally:
        started.terminate()
        started.join()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fetch(port: int, token: str, patience: float = 30.0) -> bytes:
    """Return the body of the summary, once the server is there."""
    asked = urllib.request.Request(f"http://127.0.0.1:{port}{PATH}", headers={"Authorization": f"Bearer {token}"})
    ends = time.monotonic() + patience
    while True:
        try:
            with urllib.request.urlopen(asked) as answer:
                return bytes(answer.read())
        except OSError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.1)


def prepared(url: str) -> str:
    """Fill a store up to today; return a token for one person."""
    with open_history(url, clock=lambda: NOW) as history:
        all_of_them = list(workload.workflows(WORKFLOWS))
        for start in range(0, WORKFLOWS, 1000):
            history.record(all_of_them[start : start + 1000])
        return history.access.create_token("benchmark", ["read:own"], user=USER).secret


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process, all of its threads: what a busy machine does not blur."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measured(pid: int, port: int, asked: list[bytes], seconds: float) -> tuple[load.Load, float]:
    """Return a load, and the CPU microseconds of the server for each request."""
    before = cpu_seconds(pid)
    found = load.measure(port, asked, seconds=seconds)
    return found, 1e6 * (cpu_seconds(pid) - before) / max(1, sum(found.statuses.values()))


def compare(name: str, url: str, rounds: int, seconds: float, writes: bool) -> None:
    token, real, bare = prepared(url), free_port(), free_port()
    with process(serve_real, url, real) as real_pid:
        body = fetch(real, token)
        with process(serve_bare, body, bare) as bare_pid:
            assert fetch(bare, token) == body
            asked = [load.request("GET", PATH, {"authorization": f"Bearer {token}"})]
            print(f"\n{name}: a person's 30-day summary, {len(body)} bytes, {load.CONNECTIONS} connections", flush=True)
            rates, cpus = [], []
            for _ in range(rounds):
                expected, little = measured(bare_pid, bare, asked, seconds)
                found, much = measured(real_pid, real, asked, seconds)
                load.report([(f"bare route, {little:.0f} us CPU", expected), (f"summary, {much:.0f} us CPU", found)])
                rates.append(found.rate / expected.rate)
                cpus.append(little / much)
            _print(name, "rate, real / bare", rates, "   wanted >= 0.5")
            _print(name, "CPU, bare / real", cpus, "")
            if writes:
                with process(write_on, url):
                    time.sleep(1.0)
                    found, much = measured(real_pid, real, asked, seconds)
                    load.report([(f"{WRITES_A_SECOND} writes/s, {much:.0f} us CPU", found)])


def _print(name: str, what: str, ratios: list[float], wanted: str) -> None:
    middle = statistics.median(ratios)
    print(f"  {name}: {what} {middle:.2f}  ({min(ratios):.2f} .. {max(ratios):.2f}){wanted}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--writes", action="store_true")
    arguments = parser.parse_args()
    makers: dict[str, Callable[[], AbstractContextManager[Any]]] = {
        "sqlite": databases.sqlite_urls,
        "postgresql": databases.postgresql_urls,
    }
    for name, maker in makers.items():
        if arguments.database in (name, "both"):
            with maker() as new:
                compare(name, new(), arguments.rounds, arguments.seconds, arguments.writes)


if __name__ == "__main__":
    main()
