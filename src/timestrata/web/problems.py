"""Every error as an RFC 9457 problem document: one table from our errors to a status and a stable code."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

from fastapi.exceptions import RequestValidationError
from sqlalchemy import exc
from starlette.exceptions import HTTPException

from timestrata import errors
from timestrata.dialects import Dialect
from timestrata.errors import TimestrataError, shown
from timestrata.web.wire import InvalidJson, encode_problem

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 5
"""When to come back while the database is gone: about as long as the library itself has tried."""


class Kind(NamedTuple):
    """The status and code of an error."""

    status: int
    code: str


TABLE: dict[type[TimestrataError], Kind] = {
    errors.InvalidFact: Kind(422, "invalid_value"),
    errors.MissingField: Kind(422, "missing_field"),
    InvalidJson: Kind(422, "invalid_json"),
    errors.InvalidRequest: Kind(422, "invalid_argument"),
    errors.InvalidInput: Kind(422, "invalid_input"),
    errors.BatchRejected: Kind(422, "batch_rejected"),
    errors.KeyReused: Kind(422, "idempotency_key_reused"),
    errors.UnknownWorkflow: Kind(404, "unknown_workflow"),
    errors.UnknownAlert: Kind(404, "unknown_alert"),
    errors.UnknownUser: Kind(404, "unknown_user"),
    errors.UnknownTemplate: Kind(404, "unknown_template"),
    errors.UntrackedWorkflow: Kind(404, "untracked_workflow"),
    errors.UnknownSession: Kind(404, "unknown_session"),
    errors.UnknownToken: Kind(404, "unknown_token"),
    errors.UnknownJob: Kind(404, "unknown_job"),
    errors.WorkflowExists: Kind(409, "workflow_exists"),
    errors.WrongState: Kind(409, "wrong_state"),
    errors.SessionRunning: Kind(409, "session_running"),
    errors.JobRunning: Kind(409, "job_running"),
    errors.FactsSealed: Kind(409, "facts_sealed"),
    errors.ArchiveMismatch: Kind(409, "archive_mismatch"),
    errors.ArchiveDamaged: Kind(409, "archive_damaged"),
    errors.ArchiveUnavailable: Kind(503, "archive_unavailable"),
    errors.BackupRefused: Kind(409, "backup_refused"),
    errors.ClockJumped: Kind(409, "clock_jumped"),
    errors.RetentionOvertaken: Kind(409, "retention_overtaken"),
    errors.StaleRevision: Kind(412, "stale_revision"),
    errors.UnsupportedDatabase: Kind(503, "database_unavailable"),
    errors.SchemaNotReady: Kind(503, "schema_not_ready"),
    errors.NewerSchema: Kind(503, "newer_schema"),
    errors.SettingsMismatch: Kind(503, "settings_mismatch"),
}
"""Every class that the library raises; a test holds that none is missing."""

TITLES = {
    "invalid_value": "A value cannot be accepted",
    "missing_field": "A field is missing",
    "invalid_argument": "An argument cannot be used",
    "invalid_input": "The input cannot be read",
    "invalid_json": "The body is not JSON",
    "batch_rejected": "The batch was not written",
    "idempotency_key_reused": "The idempotency key was used for another request",
    "unknown_workflow": "The workflow is not recorded",
    "unknown_alert": "The gap alert does not exist",
    "unknown_template": "The template does not exist",
    "untracked_workflow": "The workflow was not started here",
    "unknown_session": "The time session does not exist",
    "unknown_user": "The user does not exist",
    "unknown_token": "The token does not exist",
    "unknown_job": "The job does not exist",
    "workflow_exists": "The workflow id is taken",
    "wrong_state": "It is not in a state for this",
    "session_running": "Another session is running",
    "job_running": "The job is running",
    "facts_sealed": "The facts are archived",
    "archive_mismatch": "The archive belongs to another store",
    "archive_damaged": "The archive is damaged",
    "archive_unavailable": "The archive cannot be reached",
    "backup_refused": "The store cannot be copied",
    "clock_jumped": "The clock cannot be trusted",
    "retention_overtaken": "Another run of retention took over",
    "stale_revision": "It was changed since you read it",
    "conflict": "It contradicts what is recorded",
    "database_unavailable": "The database cannot be reached",
    "schema_not_ready": "The database is not migrated",
    "newer_schema": "The database is of a newer Timestrata",
    "settings_mismatch": "The store has other settings",
    "not_authenticated": "A valid token is needed",
    "forbidden": "The token does not allow this",
    "not_found": "There is nothing here",
    "method_not_allowed": "The method is not for this",
    "body_too_large": "The body is too large",
    "precondition_required": "If-Match is missing",
    "too_many_requests": "Too many requests",
    "internal_error": "An error of the service",
}
_CODES = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large", 429: "too_many_requests"}


class Problem(Exception):
    """A request that is refused; it becomes a problem document. `members` are what else the document holds."""

    def __init__(
        self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None, **members: object
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members

    def body(self) -> bytes:
        """Return the document, encoded."""
        return encode_problem(
            {
                "type": f"urn:timestrata:problem:{self.code}",
                "title": TITLES.get(self.code, HTTPStatus(self.status).phrase),
                "status": self.status,
                "detail": self.detail,
                "code": self.code,
                **{name: value for name, value in self.members.items() if value is not None},
            }
        )


def problem_of(error: Exception, dialect: Dialect) -> Problem:
    """Return what a client is told of an error, whatever it is; a status of 500 is an error of ours."""
    match error:
        case Problem():
            return error
        case TimestrataError():
            return _of_ours(error)
        case HTTPException():
            return _of_http(error)
        case RequestValidationError():
            return _of_validation(error.errors())
        case ExceptionGroup() if len(error.exceptions) == 1:  # of a task group
            return problem_of(error.exceptions[0], dialect)
    return _of_database(error, dialect) or Problem(
        500, "internal_error", "the service failed on this request; its log says more, under the request id"
    )


def _of_ours(error: TimestrataError) -> Problem:
    kind = next((TABLE[each] for each in type(error).__mro__ if each in TABLE), Kind(500, "internal_error"))
    headers = {"Retry-After": str(RETRY_SECONDS)} if kind.status == 503 else {}
    return Problem(kind.status, kind.code, str(error), headers, **_members(error))


def _members(error: TimestrataError) -> dict[str, object]:
    match error:
        case errors.MissingField():
            return {"field": error.field, "expected": error.wanted}
        case errors.InvalidFact():
            return {"field": error.field, "expected": error.wanted, "found": shown(error.found)}
        case errors.InvalidRequest():
            return {"field": error.argument, "expected": error.wanted, "found": shown(error.found)}
        case errors.InvalidInput():
            return {"line": error.line, "field": error.column}
        case errors.BatchRejected():
            return {"index": error.index, "workflow_id": error.workflow_id, "item_status": error.status}
        case errors.StaleRevision():
            return {"field": "If-Match", "expected": error.current, "found": error.expected}
        case errors.WrongState():
            return {"expected": error.wanted, "found": error.found}
        case errors.KeyReused():
            return {"field": "Idempotency-Key"}
    return {}


def _of_http(error: HTTPException) -> Problem:
    if error.status_code == 400:  # the framework's word for a body that is no JSON, or no UTF-8
        return Problem(422, "invalid_json", error.detail, field="body", expected="JSON in UTF-8")
    code = _CODES.get(error.status_code, "invalid_input" if error.status_code < 500 else "internal_error")
    return Problem(error.status_code, code, error.detail, error.headers)


def _of_validation(found: Sequence[Any]) -> Problem:
    """Name the first field at fault in the document itself, and all of them under `errors`."""
    faults = list(_faults(found))
    first = faults[0]
    code = "missing_field" if first.get("found") is None else "invalid_value"
    if found[0].get("type") == "json_invalid":
        code = "invalid_json"
    detail = f"{first['field']}: {first['expected']}"
    return Problem(422, code, detail, **first, errors=faults if len(faults) > 1 else None)


def _faults(found: Sequence[Any]) -> Iterator[dict[str, Any]]:
    for each in found:
        place, *path = each.get("loc", ("body",))
        fault = {"field": _path(path) or str(place), "expected": str(each.get("msg", "another value"))}
        if each.get("type") not in ("missing", "json_invalid"):
            fault["found"] = shown(each.get("input"))
        yield fault


def _path(parts: Sequence[str | int]) -> str:
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def unavailable(detail: str, code: str = "database_unavailable") -> Problem:
    """Return the problem of a database that cannot be asked now."""
    return Problem(503, code, detail, {"Retry-After": str(RETRY_SECONDS)})


def _of_database(error: Exception, dialect: Dialect) -> Problem | None:
    if dialect.is_transient(error) or isinstance(error, exc.TimeoutError):
        return unavailable("the database did not answer in time; the request may be repeated")
    cause = error.orig if isinstance(error, exc.DBAPIError) and error.orig is not None else error
    package, name = type(cause).__module__.partition(".")[0], type(cause).__name__
    if isinstance(error, (exc.DataError, UnicodeEncodeError, OverflowError)) or name == "DataError":
        return Problem(422, "invalid_value", "the request holds a value that no database can store")
    if isinstance(error, exc.IntegrityError):
        return Problem(409, "conflict", "another request was faster; read again and repeat")
    if isinstance(error, exc.InterfaceError | exc.OperationalError) or isinstance(cause, sqlite3.OperationalError):
        return unavailable("the database cannot be used now")
    if package == "psycopg" and name in ("OperationalError", "InterfaceError"):
        return unavailable("the database cannot be used now")
    return None
