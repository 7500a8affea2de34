"""Problem documents as the errors that a History raises, and the errors that only a service has."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from timestrata import errors
from timestrata.errors import TimestrataError, UnsupportedDatabase


class ServiceRefused(TimestrataError):
    """The service refused the request itself: the token (401), what it may do (403), a limit (413, 429), the address.

    `code` is the stable name of the reason. `retry_after_seconds` says when to come back, where the service said so.
    """

    def __init__(self, status: int, code: str, detail: str, retry_after_seconds: int | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds


class ServiceUnavailable(UnsupportedDatabase):
    """The service cannot be reached, or cannot reach its database; it was tried again for a while."""


class UnexpectedAnswer(TimestrataError):
    """What answers at this address is no Timestrata service, or one that this client does not understand."""


class Kind(NamedTuple):
    """The class of an error, and by attribute the member of its problem document that says it."""

    error: type[TimestrataError]
    members: Mapping[str, str] = MappingProxyType({})


def _same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


_VALUE = {"field": "field", "found": "found", "wanted": "expected"}
_ARGUMENT = {"argument": "field", "found": "found", "wanted": "expected"}
_WORKFLOW = _same("user_id", "workflow_id")

KINDS: dict[str, Kind] = {
    "invalid_value": Kind(errors.InvalidFact, _VALUE),
    "invalid_json": Kind(errors.InvalidFact, _VALUE),
    "missing_field": Kind(errors.MissingField, _VALUE),
    "invalid_argument": Kind(errors.InvalidRequest, _ARGUMENT),
    "invalid_input": Kind(errors.InvalidInput, {"line": "line", "column": "field", "problem": "detail"}),
    "batch_rejected": Kind(errors.BatchRejected, {**_same("index", "workflow_id", "reason"), "status": "item_status"}),
    "idempotency_key_reused": Kind(errors.KeyReused, _same("key")),
    "unknown_workflow": Kind(errors.UnknownWorkflow, _WORKFLOW),
    "unknown_alert": Kind(errors.UnknownAlert, _same("alert_id")),
    "unknown_template": Kind(errors.UnknownTemplate, _same("template", "version")),
    "untracked_workflow": Kind(errors.UntrackedWorkflow, _WORKFLOW),
    "unknown_session": Kind(errors.UnknownSession, _same("session_id")),
    "unknown_token": Kind(errors.UnknownToken, _same("token_id")),
    "unknown_job": Kind(errors.UnknownJob, _same("name", "known")),
    "job_running": Kind(errors.JobRunning, _same("name", "holder", "since")),
    "workflow_exists": Kind(errors.WorkflowExists, _WORKFLOW),
    "wrong_state": Kind(errors.WrongState, {"action": "action", "found": "found", "wanted": "expected"}),
    "session_running": Kind(errors.SessionRunning, _WORKFLOW),
    "facts_sealed": Kind(errors.FactsSealed, _WORKFLOW),
    "clock_jumped": Kind(errors.ClockJumped),
    "retention_overtaken": Kind(errors.RetentionOvertaken),
    "archive_mismatch": Kind(errors.ArchiveMismatch),
    "archive_damaged": Kind(errors.ArchiveDamaged),
    "archive_unavailable": Kind(errors.ArchiveUnavailable),
    "backup_refused": Kind(errors.BackupRefused),
    "unknown_user": Kind(errors.UnknownUser, _same("user_id")),
    "stale_revision": Kind(errors.StaleRevision, {**_WORKFLOW, "expected": "found", "current": "expected"}),
    "database_unavailable": Kind(ServiceUnavailable),
    "schema_not_ready": Kind(errors.SchemaNotReady),
    "newer_schema": Kind(errors.NewerSchema, _same("found", "known")),
    "settings_mismatch": Kind(errors.SettingsMismatch, _same("setting", "stored", "asked")),
}
"""By code, what the service was given by its library."""


def error_of(
    status: int, document: Mapping[str, object], about: Mapping[str, object], is_question: bool = False
) -> TimestrataError:
    """Return the error that a problem document tells of; `about` has what the request itself said, by attribute.

    Its message is that of the service. An attribute that neither knows is None.
    """
    code, detail = str(document.get("code")), str(document.get("detail") or document.get("title") or status)
    if code not in KINDS:
        after = document.get("retry_after_seconds")
        return ServiceRefused(status, code, detail, after if isinstance(after, int) else None)
    kind, members = KINDS[code]
    if kind is errors.KeyReused:
        return errors.KeyReused(str(about.get("key")))
    if is_question and issubclass(kind, errors.InvalidFact):  # whatever found it wrong, it is an argument of a call
        kind, members = errors.InvalidRequest, _ARGUMENT
    if kind is errors.SessionRunning:  # it tells of another workflow than the one that was asked for
        about = {"user_id": about.get("user_id")}
    error = kind.__new__(kind)
    error.args = (detail,)
    for attribute, member in members.items():
        error.__dict__[attribute] = document.get(member, about.get(attribute))
    return error
