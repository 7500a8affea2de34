"""Tracking over HTTP: the documented walk through a ticket, and completions sent one, several and as a stream."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import shlex
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from facts_made import dump, made
from starlette.testclient import TestClient
from web_client import QUIET, served

from timestrata import History, open_history
from timestrata.formats.jsonl import workflow_to_json
from timestrata.web import Config, create_app

DOCUMENT = Path(__file__).parents[1] / "docs" / "tracking.md"
SIP = Path(__file__).parents[2] / "shared" / "data" / "sip.jsonl.gz"
NDJSON = {"Content-Type": "application/x-ndjson"}

Login = Callable[..., dict[str, str]]


@pytest.fixture
def client(history: History) -> Iterator[TestClient]:
    with TestClient(create_app(history, Config(log_format=None)), base_url="http://127.0.0.1:8080") as opened:
        yield opened


@pytest.fixture
def login(history: History) -> Login:
    """A function that makes a token and returns the header that carries it."""

    def make(*scopes: str, user: str | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {history.access.create_token('test', scopes, user=user).secret}"}

    return make


@pytest.fixture
def ada(login: Login) -> dict[str, str]:
    return login("read:own", "write:own", user="ada")


@pytest.fixture
def admin(login: Login) -> dict[str, str]:
    return login("admin")


# ------------------------------------------------------------------------------------------------ the documented walk


def commands() -> list[tuple[str, str]]:
    """Return (command, what it prints) of every curl command in the document."""
    walk = DOCUMENT.read_text(encoding="utf-8").partition("<!-- walk:")[2]
    [block] = re.findall(r"```console\n(.*?)```", walk, re.S)
    found = []
    for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
        command, _, printed = part.replace("\\\n", " ").partition("\n")
        found.append((command, printed.strip()))
    return found


def send(client: TestClient, command: str, token: str) -> Any:
    """Carry out a curl command and return the JSON that it prints."""
    words = shlex.split(command.replace("$TOKEN", token.removeprefix("Bearer ")))
    assert words[:2] == ["curl", "-s"]
    headers, body, url = {}, None, ""
    rest = iter(words[2:])
    for word in rest:
        if word == "-H":
            name, _, value = next(rest).partition(": ")
            headers[name] = value
        elif word == "--json":
            body = json.loads(next(rest))
        else:
            url = word
    answer = client.request("GET" if body is None else "POST", url, headers=headers, json=body)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def elided(text: str) -> Any:
    """Read JSON in which `...` stands for what is left out."""
    return json.loads(re.sub(r",? ?\.\.\.", lambda found: f'{found[0][: found[0].find(".")]}"...": 0', text))


def agrees(shown: Any, found: Any) -> bool:
    if isinstance(shown, dict):
        named = shown.keys() - {"..."}
        complete = "..." in shown or named == found.keys()
        return complete and named <= found.keys() and all(agrees(shown[name], found[name]) for name in named)
    if isinstance(shown, list):
        return len(shown) == len(found) and all(map(agrees, shown, found))
    return bool(shown == found)


def test_the_documented_walk_prints_what_it_says(client: TestClient, history: History, ada: dict[str, str]) -> None:
    walk = commands()

    answers = [(printed, send(client, command, ada["Authorization"])) for command, printed in walk]

    assert len(answers) == 7
    for printed, answer in answers:
        assert agrees(elided(printed), answer), f"documented {printed}\nanswered {json.dumps(answer)}"


def test_the_walk_leaves_the_figures_of_the_same_facts_imported(
    client: TestClient, history: History, ada: dict[str, str], make_store: Callable[[], str]
) -> None:
    for command, _ in commands():
        send(client, command, ada["Authorization"])

    with open_history(make_store()) as imported:
        imported.record(list(history.facts()), strict=True)
        assert dump(imported) == dump(history)
        assert imported.summary("all_time").by_ticket_type == history.summary("all_time").by_ticket_type


def test_the_walk_repeated_changes_nothing(client: TestClient, history: History, ada: dict[str, str]) -> None:
    first = [send(client, command, ada["Authorization"]) for command, _ in commands()]
    before = dump(history)

    again = [send(client, command, ada["Authorization"]) for command, _ in commands()]

    assert (first[5].pop("status"), again[5].pop("status")) == ("recorded", "replayed")
    assert again[:6] == first[:6]
    assert dump(history) == before


# -------------------------------------------------------------------------------------------------------- refusals


def start(client: TestClient, headers: dict[str, str], **more: Any) -> Any:
    steps = [{"name": "Analyse"}, {"name": "Test"}]
    assert client.post(
        "/api/v1/templates", headers=headers, json={"name": "QA", "ticket_type": "Bug", "steps": steps}
    ).status_code in (200, 201)
    body = {"template": "QA", "ticket_key": "TK-1", "workflow_id": "w1", **more}
    return client.post("/api/v1/workflows", headers=headers, json=body)


def test_a_session_of_somebody_else_is_not_to_be_found(
    client: TestClient, ada: dict[str, str], login: Login, history: History
) -> None:
    session = start(client, ada).json()["current"]["id"]
    before = history.tracking.workflow("ada", "w1")

    answer = client.post(f"/api/v1/time/sessions/{session}/end", headers=login("write:own", user="ben"))

    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_session")
    assert history.tracking.workflow("ada", "w1") == before


def test_a_session_that_has_ended_is_not_paused_in_the_place_of_the_current_one(
    client: TestClient, ada: dict[str, str]
) -> None:
    session = start(client, ada).json()["current"]["id"]
    client.post("/api/v1/time/sessions/w1/start/1", headers=ada)

    answer = client.post(f"/api/v1/time/sessions/{session}/pause", headers=ada)

    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_state")


@pytest.mark.parametrize(
    ("path", "body", "status", "code", "field"),
    [
        ("/api/v1/workflows", {"template": "None", "ticket_key": "T"}, 404, "unknown_template", None),
        ("/api/v1/workflows", {"template": "QA"}, 422, "missing_field", "ticket_key"),
        ("/api/v1/workflows", {"template": "QA", "ticket_key": 1}, 422, "invalid_value", "ticket_key"),
        ("/api/v1/workflows", {"template": "QA", "ticket_key": "T", "workflow": 1}, 422, "invalid_value", "workflow"),
        ("/api/v1/workflows", {"template": "QA", "ticket_key": "\0"}, 422, "invalid_value", "ticket_key"),
        ("/api/v1/workflows", {"template": "QA", "ticket_key": "T", "workflow_id": "w1"}, 409, "workflow_exists", None),
        ("/api/v1/workflows", {"template": "QA", "ticket_key": "T"}, 409, "session_running", None),
        ("/api/v1/workflows", {"template": "QA", "ticket_key": "T", "timezone": "X"}, 422, "invalid_value", "timezone"),
        ("/api/v1/workflows/w1/complete", {"at": "2030-01-01T00:00:00Z"}, 422, "invalid_argument", "at"),
        ("/api/v1/workflows/w1/complete", {"at": "2020-01-01T00:00:00Z"}, 422, "invalid_argument", "at"),
        ("/api/v1/workflows/w1/complete", {"at": "2024-06-15T11:00:00"}, 422, "invalid_value", "at"),
        ("/api/v1/workflows/w1/complete", {"at": 5}, 422, "invalid_value", "at"),
        ("/api/v1/workflows/none/complete", {}, 404, "untracked_workflow", None),
        ("/api/v1/time/sessions/w1/start/2", {}, 422, "invalid_argument", "step_index"),
        ("/api/v1/time/sessions/w1/start/0", {}, 409, "wrong_state", None),
        ("/api/v1/time/sessions/x/pause", {}, 404, "unknown_session", None),
        ("/api/v1/time/sessions/1.1.0/resume", {}, 409, "wrong_state", None),
        ("/api/v1/time/sessions/1.1.0/confirm", {}, 409, "wrong_state", None),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_with_its_reason(
    client: TestClient, ada: dict[str, str], path: str, body: Any, status: int, code: str, field: str | None
) -> None:
    assert start(client, ada, at="2024-06-15T10:00:00Z").status_code == 201

    answer = client.post(path, headers=ada, json=body)

    found = answer.json()
    assert (answer.status_code, found["code"], found.get("field")) == (status, code, field), found
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_key_that_was_used_for_another_call_is_refused(client: TestClient, ada: dict[str, str]) -> None:
    session = start(client, ada).json()["current"]["id"]
    keyed = {**ada, "Idempotency-Key": "k"}
    client.post(f"/api/v1/time/sessions/{session}/pause", headers=keyed)

    answer = client.post(f"/api/v1/time/sessions/{session}/resume", headers=keyed)

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


# ------------------------------------------------------------------------------------------------------ completions


def documents(count: int, **fields: Any) -> list[dict[str, object]]:
    return [workflow_to_json(made(f"w{number}", **fields)) for number in range(count)]


def lines(items: list[dict[str, object]]) -> bytes:
    return b"".join(json.dumps(item).encode() + b"\n" for item in items)


def test_one_completion_is_recorded_then_replayed_then_a_conflict(client: TestClient, admin: dict[str, str]) -> None:
    [item] = documents(1)
    other = {**item, "ticket_key": "another"}

    answers = [client.post("/api/v1/time/completions", headers=admin, json=body) for body in (item, item, other)]

    assert [answer.status_code for answer in answers] == [201, 200, 409]
    assert [answer.json().get("status") for answer in answers[:2]] == ["recorded", "replayed"]
    assert answers[2].json()["code"] == "conflict"


def test_a_list_has_an_outcome_for_each(client: TestClient, admin: dict[str, str]) -> None:
    first, second, third = documents(3)
    items: list[Any] = [first, 7, {**second, "ticket_key": ""}, third, {**first, "ticket_key": "other"}]

    answer = client.post("/api/v1/time/completions", headers=admin, json=items).json()

    statuses = [outcome["status"] for outcome in answer["outcomes"]]
    assert statuses == ["recorded", "rejected", "rejected", "recorded", "conflict"]
    assert [answer[name] for name in ("recorded", "replayed", "conflicts", "rejected")] == [2, 0, 1, 2]


@pytest.mark.parametrize("packed", [False, True])
def test_a_stream_is_recorded_with_the_line_of_each_outcome(
    client: TestClient, admin: dict[str, str], history: History, packed: bool
) -> None:
    body = lines(documents(2300)) + b"\n{\n" + lines(documents(1))
    chunks = (lambda whole: (whole[start : start + 10_000] for start in range(0, len(whole), 10_000)))(
        gzip.compress(body) if packed else body
    )

    answer = client.post("/api/v1/time/completions", headers={**admin, **NDJSON}, content=chunks).json()

    assert [answer[name] for name in ("recorded", "replayed", "conflicts", "rejected")] == [2300, 1, 0, 1]
    assert [outcome["line"] for outcome in answer["outcomes"][-2:]] == [2302, 2303]
    assert "line 2302" in answer["outcomes"][-2]["reason"]
    assert history.summary("all_time").completed == 2300


def test_a_stream_that_breaks_off_in_its_packing_is_refused_and_can_be_sent_again(
    client: TestClient, admin: dict[str, str], history: History
) -> None:
    packed = gzip.compress(lines(documents(2500)))

    answer = client.post("/api/v1/time/completions", headers={**admin, **NDJSON}, content=packed[:-20])
    again = client.post("/api/v1/time/completions", headers={**admin, **NDJSON}, content=packed).json()

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert again["recorded"] + again["replayed"] == 2500
    assert history.summary("all_time").completed == 2500


def test_a_stream_that_is_sent_slowly_keeps_nobody_else_waiting(history: History) -> None:
    with served(history, replace(QUIET, threads=1)) as service:
        admin = service.client("admin")

        async def slowly() -> AsyncIterator[bytes]:
            body = lines(documents(3))
            yield body[:100]
            assert (await admin.asynchronous.get("/api/v1/templates")).status_code == 200
            yield body[100:]

        async def send() -> Any:
            return await admin.asynchronous.post("/api/v1/time/completions", headers=NDJSON, content=slowly())

        answer = service.run(asyncio.wait_for(send(), 20)).json()

    assert answer["recorded"] == 3


def test_what_belongs_to_others_is_rejected_item_by_item(
    client: TestClient, ada: dict[str, str], history: History
) -> None:
    mine, theirs = documents(1, user_id="ada"), documents(1, user_id="ben")

    several = client.post("/api/v1/time/completions", headers=ada, json=[*mine, *theirs]).json()
    streamed = client.post("/api/v1/time/completions", headers={**ada, **NDJSON}, content=lines(theirs)).json()
    one = client.post("/api/v1/time/completions", headers=ada, json=theirs[0])

    assert [outcome["status"] for outcome in several["outcomes"]] == ["recorded", "rejected"]
    assert streamed["rejected"] == 1
    assert one.status_code == 403
    assert history.users() == ("ada",)


def test_a_completion_is_corrected_and_deleted_at_the_revision_that_was_read(
    client: TestClient, admin: dict[str, str], history: History
) -> None:
    [item] = documents(1, user_id="ada")
    client.post("/api/v1/time/completions", headers=admin, json=item)
    path = "/api/v1/time/completions/w0"
    read = client.get(path, params={"user_id": "ada"}, headers=admin)
    changed = {**item, "ticket_key": "TK-2"}

    def put(revision: str) -> int:
        return int(client.put(path, headers={**admin, "If-Match": revision}, json=changed).status_code)

    assert (read.json()["revision"], read.headers["etag"]) == (1, '"1"')
    assert client.put(path, headers=admin, json=changed).status_code == 428
    assert [put('"1"'), put('"1"'), put('"9"')] == [200, 200, 412]
    gone = client.delete(path, params={"user_id": "ada"}, headers={**admin, "If-Match": '"2"'})
    assert (gone.status_code, gone.json()["status"]) == (200, "deleted")
    assert client.get(path, params={"user_id": "ada"}, headers=admin).status_code == 404
    assert history.summary("all_time").completed == 0


def test_a_completion_is_corrected_and_deleted_at_whatever_revision_it_has(
    client: TestClient, admin: dict[str, str], history: History
) -> None:
    [item] = documents(1, user_id="ada")
    client.post("/api/v1/time/completions", headers=admin, json=item)
    path, any_revision = "/api/v1/time/completions/w0", {**admin, "If-Match": "*"}

    changed = client.put(path, headers=any_revision, json={**item, "ticket_key": "TK-2"})
    gone = client.delete(path, params={"user_id": "ada"}, headers=any_revision)
    unknown = client.delete(path, params={"user_id": "ben"}, headers=any_revision)

    assert [(answer.status_code, answer.json()["revision"]) for answer in (changed, gone)] == [(200, 2), (200, 3)]
    assert unknown.status_code == 404
    assert history.summary("all_time").completed == 0


@pytest.mark.skipif(not SIP.exists(), reason="../shared/data/sip.jsonl.gz is not there")
def test_a_real_history_streamed_gives_the_figures_of_its_import(
    client: TestClient, admin: dict[str, str], history: History, make_store: Callable[[], str]
) -> None:
    from timestrata.formats.jsonl import read_jsonl

    content = SIP.read_bytes()

    answer = client.post("/api/v1/time/completions", headers={**admin, **NDJSON}, content=content).json()

    with open_history(make_store()) as imported:
        facts = [entry.workflow for entry in read_jsonl(gzip.decompress(content).splitlines(True)) if entry.workflow]
        imported.record(facts, strict=True)
        assert answer["recorded"] == len(facts) == 9548
        assert dump(imported) == dump(history)
