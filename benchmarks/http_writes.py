"""How fast single completions are recorded over HTTP, against a bare route that validates the same body.

    uv run python benchmarks/http_writes.py [--database sqlite|postgresql|both] [--rounds 5] [--count 8000]

One uvicorn worker, 64 keep-alive connections, each request another completion of five steps, with a bearer token, each
answered after its commit (SQLite: synchronous=FULL), by a worker set as `timestrata serve` sets it. The bare route is
alone in an application without anything around it: it reads the same body into the same fact and stores nothing. Rounds
alternate; each sends every completion once.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import databases
import load
import workload
from fastapi import FastAPI, Request, Response
from http_reads import free_port, process, serve_real

from timestrata import open_history
from timestrata.formats.jsonl import workflow_from_json, workflow_to_json
from timestrata.web.server import settle

PATH = "/api/v1/time/completions"


def serve_bare(port: int) -> None:
    """Serve the smallest route that reads a completion and answers as the real one does."""
    import uvicorn

    app = FastAPI()

    @app.post(PATH)
    async def bare(request: Request) -> Response:
        fact = workflow_from_json(json.loads(await request.body()))
        answer = {"status": "recorded", "user_id": fact.user_id, "workflow_id": fact.workflow_id, "revision": 1}
        return Response(json.dumps(answer), 201, media_type="application/json")

    uvicorn.run(app, port=port, log_level="warning", access_log=False)


def serve_as_a_worker_does(url: str, port: int) -> None:
    """Serve the store with the interpreter set as a worker of `timestrata serve` sets it."""
    settle()
    serve_real(url, port)


def compare(name: str, url: str, rounds: int, count: int) -> None:
    with open_history(url) as history:
        history.record(list(workload.workflows(2000, seed=99)))  # users, templates and steps are known
        token = history.access.create_token("benchmark", ["admin"]).secret
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    real, bare = free_port(), free_port()
    ratios = []
    with process(serve_as_a_worker_does, url, real), process(serve_bare, bare):
        load.wait_for(real)
        load.wait_for(bare)
        print(f"\n{name}: one completion a request, {load.CONNECTIONS} connections, {count} a round", flush=True)
        for number in range(rounds):
            sent = [
                load.request("POST", PATH, headers, json.dumps(document(one, number)).encode())
                for one in workload.workflows(count, seed=number)
            ]
            expected = load.measure(bare, sent, once=True, seconds=120)
            found = load.measure(real, sent, once=True, seconds=120)
            load.report([("bare route", expected), ("recorded", found)])
            assert found.statuses == {201: count}, found.statuses
            ratios.append(found.rate / expected.rate)
    with open_history(url) as history:
        recorded = history.summary("all_time").completed
    assert recorded == 2000 + rounds * count, recorded
    ratio = f"{statistics.median(ratios):.2f}  ({min(ratios):.2f} .. {max(ratios):.2f})"
    print(f"  {name}: recorded / bare {ratio}   wanted >= 0.6", flush=True)


def document(one: Any, number: int) -> dict[str, object]:
    found = workflow_to_json(one)
    return {**found, "workflow_id": f"{number}-{found['workflow_id']}"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=8000)
    arguments = parser.parse_args()
    makers: dict[str, Callable[[], AbstractContextManager[Any]]] = {
        "sqlite": databases.sqlite_urls,
        "postgresql": databases.postgresql_urls,
    }
    for name, maker in makers.items():
        if arguments.database in (name, "both"):
            with maker() as new:
                compare(name, new(), arguments.rounds, arguments.count)


if __name__ == "__main__":
    main()
