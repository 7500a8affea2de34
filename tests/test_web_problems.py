"""Errors over HTTP: each class of ours has its status and code, and nothing that is sent ends in a bare 500."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi import APIRouter
from sqlalchemy import exc
from starlette.exceptions import HTTPException
from web_client import Served, served

from timestrata import History, errors
from timestrata.dialects import dialect_of
from timestrata.web.problems import TABLE, TITLES, Problem, problem_of
from timestrata.web.wire import InvalidJson

MADE: dict[type[errors.TimestrataError], tuple[Any, ...]] = {
    errors.InvalidFact: ("steps[0].active_seconds", -1, "seconds from 0"),
    errors.MissingField: ("user_id", "text"),
    errors.InvalidRequest: ("days", 0, "a whole number from 1"),
    errors.InvalidInput: (12, "completed_at", "is no date"),
    errors.BatchRejected: (3, "wf-1", "conflict", "other content"),
    errors.UnknownWorkflow: ("ana", "wf-1"),
    errors.UnknownAlert: ("1.2.3.0",),
    errors.StaleRevision: ("ana", "wf-1", 1, 2),
    errors.FactsSealed: ("ana", "wf-1", "no archive is configured"),
    errors.UnknownUser: ("ana",),
    errors.ClockJumped: ("2024-06-15", "2024-06-16", "31 days"),
    errors.RetentionOvertaken: ("completions/month=2024-05/f1.parquet",),
    errors.ArchiveMismatch: ("s3://old", "another", "this"),
    errors.ArchiveDamaged: ("completions/month=2024-05/f1.parquet", "it is cut off"),
    errors.ArchiveUnavailable: ("s3://old", "no connection"),
    errors.BackupRefused: ("copy.db", "it is there already"),
    errors.UnsupportedDatabase: ("cannot open it",),
    errors.SchemaNotReady: ("no schema",),
    errors.NewerSchema: ("0009", "0002"),
    errors.SettingsMismatch: ("timezone", "UTC", "Europe/Berlin"),
    errors.UnknownTemplate: ("Bug fix",),
    errors.UntrackedWorkflow: ("ana", "wf-1"),
    errors.UnknownSession: ("1.2.3",),
    errors.UnknownToken: ("0" * 12,),
    errors.WorkflowExists: ("ana", "wf-1", "is recorded already"),
    errors.WrongState: ("resume", "a running session", "a paused one"),
    errors.SessionRunning: ("ana", "wf-1"),
    errors.UnknownJob: ("dance", ("audit",)),
    errors.JobRunning: ("audit", "web1:42/9f3c21ab", datetime(2024, 6, 16, 2, 30, tzinfo=UTC)),
    errors.KeyReused: ("key-1",),
    InvalidJson: ("body", b"{", "JSON"),
}

STATUSES = {
    404: {"unknown_workflow", "unknown_alert", "unknown_template", "untracked_workflow", "unknown_session"}
    | {"unknown_token", "unknown_job", "unknown_user"},
    409: {"workflow_exists", "wrong_state", "session_running", "job_running", "facts_sealed", "clock_jumped"}
    | {"retention_overtaken", "archive_mismatch", "archive_damaged", "backup_refused"},
    412: {"stale_revision"},
    422: {"invalid_value", "missing_field", "invalid_argument", "invalid_input", "invalid_json", "batch_rejected"}
    | {"idempotency_key_reused"},
    503: {"database_unavailable", "schema_not_ready", "newer_schema", "settings_mismatch"} | {"archive_unavailable"},
}


def leaves(kind: type[errors.TimestrataError]) -> set[type[errors.TimestrataError]]:
    return {kind}.union(*(leaves(each) for each in kind.__subclasses__()))


def test_every_error_class_has_a_status_and_a_code_of_its_own() -> None:
    ours = {
        each
        for each in leaves(errors.TimestrataError)
        if each.__module__.startswith(("timestrata.errors", "timestrata.web"))
    }

    assert ours - {errors.TimestrataError} == set(TABLE)
    assert len({kind.code for kind in TABLE.values()}) == len(TABLE)
    assert {kind.code for kind in TABLE.values()} <= set(TITLES)


def test_every_code_has_the_status_that_is_documented() -> None:
    found: dict[int, set[str]] = {}
    for kind in TABLE.values():
        found.setdefault(kind.status, set()).add(kind.code)

    assert found == STATUSES


@pytest.mark.parametrize("kind", MADE, ids=lambda kind: kind.__name__)
def test_each_error_becomes_a_problem_document(kind: type[errors.TimestrataError], history: History) -> None:
    error = kind(*MADE[kind])
    router = APIRouter()

    @router.get("/broken")
    async def broken() -> None:
        raise error

    with served(history) as one:
        one.app.include_router(router)
        answer = one.anyone().get("/broken")

    status, code = TABLE[kind]
    document = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert document["type"] == f"urn:timestrata:problem:{code}"
    assert (document["status"], document["code"], document["detail"]) == (status, code, str(error))
    assert document["title"] == TITLES[code]
    assert ("retry-after" in answer.headers) == (status == 503)


def test_the_classes_that_are_tried_are_all_there_are() -> None:
    assert set(MADE) == set(TABLE)


def test_a_refused_value_names_its_field_what_came_and_what_was_wanted(history: History) -> None:
    problem = problem_of(
        errors.InvalidFact("steps[2].active_seconds", -1, "seconds from 0"), dialect_of(history.engine)
    )

    document = json.loads(problem.body())

    named = document["field"], document["found"], document["expected"]
    assert named == ("steps[2].active_seconds", "-1", "seconds from 0")


def test_an_argument_that_is_given_twice_is_refused(history: History) -> None:
    with served(history) as one:
        for path in ("/api/v1/workflows", "/api/v1/time/history/ada"):
            answer = one.client("admin").get(f"{path}?user_id=ada&user_id=bob")

            assert answer.status_code == 422
            assert answer.json()["field"] == "user_id"


def test_a_stale_revision_names_the_one_there_is(history: History) -> None:
    problem = problem_of(errors.StaleRevision("ana", "wf-1", 1, 2), dialect_of(history.engine))

    assert (problem.members["field"], problem.members["expected"], problem.members["found"]) == ("If-Match", 2, 1)


def driver_error(kind: type[exc.DBAPIError], cause: BaseException) -> exc.DBAPIError:
    return kind("SELECT 1", None, cause)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (exc.TimeoutError("QueuePool limit"), 503, "database_unavailable"),
        (driver_error(exc.OperationalError, sqlite3.OperationalError("disk I/O error")), 503, "database_unavailable"),
        (driver_error(exc.InterfaceError, Exception("gone")), 503, "database_unavailable"),
        (driver_error(exc.DataError, Exception("value out of range")), 422, "invalid_value"),
        (driver_error(exc.IntegrityError, sqlite3.IntegrityError("UNIQUE")), 409, "conflict"),
        (sqlite3.OperationalError("unable to open database file"), 503, "database_unavailable"),
        (OverflowError("Python int too large to convert to SQLite INTEGER"), 422, "invalid_value"),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"), 422, "invalid_value"),
        (HTTPException(404), 404, "not_found"),
        (HTTPException(405, headers={"Allow": "GET"}), 405, "method_not_allowed"),
        (HTTPException(400, "There was an error parsing the body"), 422, "invalid_json"),
        (Problem(418, "teapot", "short and stout"), 418, "teapot"),
        (errors.TimestrataError("of no class that is known"), 500, "internal_error"),
        (ZeroDivisionError("ours"), 500, "internal_error"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_other_errors_have_their_status_too(error: Exception, status: int, code: str, history: History) -> None:
    problem = problem_of(error, dialect_of(history.engine))

    assert (problem.status, problem.code) == (status, code)
    json.loads(problem.body())


def test_what_the_database_itself_refuses_to_store_is_an_invalid_value(history: History) -> None:
    dialect = dialect_of(history.engine)
    refused = []
    for value in ("a\0b", "\ud800", 2**70):
        try:
            with history.engine.connect() as connection:
                connection.exec_driver_sql(f"SELECT {'?' if dialect.name == 'sqlite' else '%s'}", (value,)).all()
        except Exception as error:
            refused.append(problem_of(error, dialect).status)

    assert refused
    assert set(refused) == {422}


def test_an_error_of_ours_says_nothing_of_its_inside(history: History) -> None:
    router = APIRouter()

    @router.get("/broken")
    async def broken() -> None:
        raise RuntimeError("the secret is hunter2")

    with served(history) as one:
        one.app.include_router(router)
        answer = one.anyone().get("/broken")

    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "hunter2" not in answer.text


@pytest.fixture
def typed(history: History) -> Any:
    router = APIRouter()

    @router.get("/typed/{number}")
    async def read(number: int, days: int, name: str = "x") -> dict[str, Any]:
        return {"number": number}

    with served(history) as one:
        one.app.include_router(router)
        yield one


def test_a_parameter_of_another_kind_is_named(typed: Served) -> None:
    answer = typed.anyone().get("/typed/1?days=many")

    document = answer.json()
    assert (answer.status_code, document["code"], document["field"]) == (422, "invalid_value", "days")
    assert document["found"] == "'many'"


def test_a_parameter_that_is_missing_is_named(typed: Served) -> None:
    document = typed.anyone().get("/typed/1").json()

    assert (document["status"], document["code"], document["field"]) == (422, "missing_field", "days")


def test_several_faults_are_all_listed(typed: Served) -> None:
    document = typed.anyone().get("/typed/one?days=many").json()

    assert [fault["field"] for fault in document["errors"]] == ["number", "days"]


@pytest.mark.parametrize("path", ["/nothing", "/typed", "/health/", "/nothing//", "/%00", "/%ff", "/api"])
def test_a_path_that_leads_nowhere_is_a_problem_document(typed: Served, path: str) -> None:
    answer = typed.anyone().get(path)

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_method_that_is_not_allowed_names_those_that_are(typed: Served) -> None:
    answer = typed.anyone().post("/health")
    allowed = answer.headers["allow"]

    assert (answer.status_code, answer.json()["code"], allowed) == (405, "method_not_allowed", "GET, HEAD")
