"""The commands `token` and `serve`: in this process what they refuse, and a real server over a socket."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import httpx2
import pytest
from facts_made import made
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner, Result

from timestrata import open_history
from timestrata.cli import app
from timestrata.web.server import checked_rate, is_loopback

DEADLINE_SECONDS = 60


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    for name in ("DATABASE", "HOST", "PORT", "WORKERS", "LOG_FORMAT", "RATE_LIMIT"):
        monkeypatch.delenv(f"TIMESTRATA_{name}", raising=False)


def cli(*args: str, exit_code: int = 0) -> Result:
    result = CliRunner().invoke(app, args)
    assert result.exit_code == exit_code, result.output
    assert "Traceback" not in result.output
    return result


# ------------------------------------------------------------------------------------------------------------- tokens


def create(url: str, *more: str) -> Any:
    return json.loads(cli("token", "create", "ci", "--database", url, "--json", *more).stdout)


def test_a_token_made_by_the_command_authenticates(store_url: str) -> None:
    before = datetime.now(UTC)

    shown = create(store_url, "--scope", "read:own", "--scope", "write:own", "--user", "ana", "--expires", "90d")

    with open_history(store_url) as history:
        found = history.access.authenticate(shown["secret"])
    assert found is not None
    assert (found.token_id, found.name, found.user) == (shown["token_id"], "ci", "ana")
    assert found.scopes == {"read:own", "write:own"}
    assert found.expires_at is not None
    assert timedelta(days=90) <= found.expires_at - before < timedelta(days=90, minutes=5)


def test_without_json_the_secret_alone_is_on_standard_output(store_url: str) -> None:
    result = cli("token", "create", "ci", "--scope", "admin", "--database", store_url)

    assert re.fullmatch(r"timestrata_[0-9a-f]{12}_[A-Za-z0-9_-]{43}\n", result.stdout)
    assert "is valid until it is revoked" in result.stderr


def test_the_first_token_makes_the_store(tmp_path: Path) -> None:
    file = tmp_path / "new.db"

    create(str(file), "--scope", "admin")

    assert file.exists()


def test_tokens_are_listed_without_their_secrets(store_url: str) -> None:
    secret = create(store_url, "--scope", "admin")["secret"]

    human = cli("token", "list", "--database", store_url).stdout
    machine = json.loads(cli("token", "list", "--database", store_url, "--json").stdout)

    assert (machine[0]["name"], machine[0]["state"], machine[0]["scopes"]) == ("ci", "active", ["admin"])
    assert machine[0]["token_id"] in human
    assert secret[24:] not in human + json.dumps(machine)


def test_an_empty_list_says_how_to_begin(store_url: str) -> None:
    open_history(store_url).close()

    assert "timestrata token create" in cli("token", "list", "--database", store_url).stdout


def test_a_revoked_token_is_shown_as_such(store_url: str) -> None:
    shown = create(store_url, "--scope", "admin")

    told = cli("token", "revoke", shown["token_id"], "--database", store_url).stdout

    assert shown["token_id"] in told
    assert "revoked" in cli("token", "list", "--database", store_url).stdout
    with open_history(store_url) as history:
        assert history.access.authenticate(shown["secret"]) is None


def test_revoking_what_is_not_there_is_refused(store_url: str) -> None:
    open_history(store_url).close()

    result = cli("token", "revoke", "0" * 12, "--database", store_url, exit_code=1)

    assert "does not exist" in result.stderr


@pytest.mark.parametrize(
    "args",
    [
        ("--scope", "root"),
        ("--scope", "read:own"),
        ("--scope", "admin", "--expires", "soon"),
        ("--scope", "admin", "--expires", "0d"),
        ("--scope", "admin", "--expires", "-1d"),
        ("--scope", "admin", "--expires", "2020-01-01"),
        ("--scope", "admin", "--expires", "99999y"),
        ("--scope", "admin", "--expires", "2024-02-30"),
        (),
    ],
)
def test_a_token_that_makes_no_sense_is_refused(store_url: str, args: tuple[str, ...]) -> None:
    result = cli("token", "create", "ci", "--database", store_url, *args, exit_code=2)

    assert result.stderr.startswith("error: ")


# ------------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])
def test_other_machines_are_not_served_without_a_token(tmp_path: Path, host: str) -> None:
    result = cli("serve", "--host", host, "--database", str(tmp_path / "new.db"), exit_code=2)

    assert "timestrata token create" in result.stderr


def test_a_token_that_was_revoked_does_not_open_the_door(tmp_path: Path) -> None:
    file = str(tmp_path / "new.db")
    shown = create(file, "--scope", "admin")
    cli("token", "revoke", shown["token_id"], "--database", file)

    cli("serve", "--host", "0.0.0.0", "--database", file, exit_code=2)


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.0.1", False),
        ("localhost.example.com", False),
        ("", False),
    ],
)
def test_loopback_is_what_only_this_machine_can_reach(host: str, local: bool) -> None:
    assert is_loopback(host) is local


def test_a_port_that_is_taken_is_a_clear_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        result = cli("serve", "--port", port, "--database", str(tmp_path / "new.db"), exit_code=2)

    assert "Address already in use" in result.stderr


@pytest.mark.parametrize("rate", ["fast", "", "10", "0.5/minute", "10/fortnight"])
def test_a_rate_that_nobody_understands_is_refused(tmp_path: Path, rate: str) -> None:
    result = cli("serve", "--rate-limit", rate, "--database", str(tmp_path / "new.db"), exit_code=2)

    assert "--rate-limit" in result.stderr


def test_a_rate_may_be_none() -> None:
    assert (checked_rate("none"), checked_rate("5/second")) == (None, "5/second")


# --------------------------------------------------------------------------------------------------------- real servers


@dataclass
class Running:
    """A server that runs, and what it said on standard output."""

    process: subprocess.Popen[str]
    url: str
    login: str | None
    errors: Path

    def stop(self) -> tuple[int, list[dict[str, Any]]]:
        """Send SIGTERM; return the exit code, and the log."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(DEADLINE_SECONDS)
        return code, self.log()

    def log(self) -> list[dict[str, Any]]:
        """Return the lines that are whole."""
        return [json.loads(line) for line in self.errors.read_text().splitlines(True) if line.endswith("\n")]


@contextmanager
def serving(tmp_path: Path, database: str, *args: str, **environment: str) -> Iterator[Running]:
    """Run `timestrata serve` on a free port until the block ends; lend it when it is ready."""
    errors = tmp_path / "errors.log"
    command = [sys.executable, "-m", "timestrata", "serve", "--database", database, *args]
    with errors.open("w") as log:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
            env={**os.environ, "TIMESTRATA_PORT": "0", "TIMESTRATA_LOG_FORMAT": "json", **environment},
        )
    try:
        assert process.stdout is not None
        greeting = process.stdout.readline()
        found = re.search(r" on (http://\S+)$", greeting.strip())
        assert found is not None, greeting + errors.read_text()
        local = "127.0.0.1" in greeting
        login = process.stdout.readline().split()[3] if local else None
        url = found[1].replace("0.0.0.0", "127.0.0.1")
        _until_ready(process, url)
        yield Running(process, url, login, errors)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # its workers too, which would outlive it
        process.communicate()


def _until_ready(process: subprocess.Popen[str], url: str) -> None:
    """Ask until the server is ready: each question waits for its answer, or for the socket that is bound already."""
    deadline = monotonic() + DEADLINE_SECONDS
    while monotonic() < deadline:
        assert process.poll() is None
        try:
            if httpx2.get(f"{url}/ready", timeout=5).status_code == 200:
                return
        except httpx2.TransportError:
            continue
    raise AssertionError("the server was not ready in time")


def test_two_workers_serve_one_store_and_end_when_told(tmp_path: Path) -> None:
    file = str(tmp_path / "store.db")
    secret = create(file, "--scope", "admin")["secret"]
    headers = {"Authorization": f"Bearer {secret}"}

    with serving(tmp_path, file, "--workers", "2") as server:
        for _ in range(20):  # each over a connection of its own, so that either worker gets some
            assert httpx2.get(f"{server.url}/health").status_code == 200
        counted = [_requests(httpx2.get(f"{server.url}/metrics").text, "/health") for _ in range(4)]
        with open_history(f"sqlite:///{file}") as history:
            history.record(made())
        events = _first_event(server.url, headers)
        code, log = server.stop()

    assert counted == [20] * 4
    assert events == "1"
    assert code == 0
    assert {line["level"] for line in log} == {"info"}
    assert sum(line["event"].startswith("Finished server process") for line in log) == 2


def _requests(text: str, route: str) -> float:
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "timestrata_http_requests_total" and sample.labels["route"] == route
    )


def _first_event(url: str, headers: dict[str, str]) -> str:
    with httpx2.stream("GET", f"{url}/api/v1/events", headers=headers, timeout=10) as answer:
        return next(line for line in answer.iter_lines() if line.startswith("id: ")).removeprefix("id: ")


def test_a_listener_does_not_keep_the_server_from_ending(tmp_path: Path) -> None:
    file = str(tmp_path / "store.db")
    secret = create(file, "--scope", "admin")["secret"]

    with (
        serving(tmp_path, file) as server,
        httpx2.stream(
            "GET", f"{server.url}/api/v1/events", headers={"Authorization": f"Bearer {secret}"}, timeout=30
        ) as answer,
    ):
        lines = answer.iter_lines()
        assert next(lines) == "event: revision"
        server.process.send_signal(signal.SIGTERM)
        rest = list(lines)  # ends, and as a chunked answer has to
        code = server.process.wait(DEADLINE_SECONDS)

    assert (rest[-1], code) == ("", 0)


def test_a_server_ends_when_told_while_a_worker_waits_for_the_database(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    folder.mkdir()
    file = str(folder / "store.db")
    create(file, "--scope", "admin")

    with serving(tmp_path, file, "--workers", "2") as server:
        first, _ = _workers(server)
        folder.rename(tmp_path / "away")
        os.kill(first, signal.SIGKILL)
        deadline = monotonic() + DEADLINE_SECONDS
        while not _waits(server.log()) and monotonic() < deadline:
            httpx2.get(f"{server.url}/health", timeout=DEADLINE_SECONDS)
        code, log = server.stop()

    assert code == 0
    assert 8 not in _waits(log)  # seven seconds on, with three more times eight to come
    assert {line["level"] for line in log} == {"info", "warning"}


def _workers(server: Running) -> list[int]:
    """Return the ids of the processes that serve, when there are two."""
    found: list[int] = []
    deadline = monotonic() + DEADLINE_SECONDS
    while len(found) < 2 and monotonic() < deadline:
        httpx2.get(f"{server.url}/health")
        started = (re.match(r"Started server process \[(\d+)", line["event"]) for line in server.log())
        found = [int(each[1]) for each in started if each]
    return found


def _waits(log: list[dict[str, Any]]) -> list[float]:
    return [line["again_in_seconds"] for line in log if line["event"] == "database not there yet"]


def test_the_link_that_serve_prints_logs_in_once(tmp_path: Path) -> None:
    with serving(tmp_path, str(tmp_path / "store.db")) as server:
        assert server.login is not None
        with httpx2.Client() as browser:
            first = browser.get(server.login)
            page = browser.get(f"{server.url}/api/v1/events/nothing")
        second = httpx2.get(server.login)

    assert (first.status_code, first.headers["location"]) == (303, "/")
    assert (page.status_code, second.status_code) == (404, 401)
    assert server.login.partition("key=")[2] not in server.errors.read_text()


def test_with_a_token_other_machines_are_served_without_a_link(tmp_path: Path) -> None:
    file = str(tmp_path / "store.db")
    secret = create(file, "--scope", "admin")["secret"]

    with serving(tmp_path, file, TIMESTRATA_HOST="0.0.0.0") as server:
        answer = httpx2.get(f"{server.url}/api/v1/nothing", headers={"Authorization": f"Bearer {secret}"})

    assert (server.login, answer.status_code) == (None, 404)


def test_an_id_with_a_slash_comes_through_a_real_server(tmp_path: Path) -> None:
    file = str(tmp_path / "store.db")
    secret = create(file, "--scope", "read:own", "--user", "a/b")["secret"]
    headers = {"Authorization": f"Bearer {secret}"}

    with serving(tmp_path, file) as server:
        own = httpx2.get(f"{server.url}/api/v1/time/history/a%2Fb", headers=headers)
        other = httpx2.get(f"{server.url}/api/v1/time/history/a%2Fc", headers=headers)

    assert (own.status_code, other.status_code) == (200, 403)
