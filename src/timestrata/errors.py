"""Everything Timestrata raises on purpose. Each error carries its values and knows nothing of HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

_LONGEST_SHOWN = 80


def shown(value: object) -> str:
    """Return `value` as an error message shows it: its repr, cut in the middle past 80 characters."""
    text = repr(value)
    if len(text) <= _LONGEST_SHOWN:
        return text
    return f"{text[:50]}...{text[-20:]} ({len(text)} characters)"


def _restored(kind: type[TimestrataError], values: dict[str, object], args: tuple[object, ...]) -> TimestrataError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(values)
    return error


class TimestrataError(Exception):
    """Base of every error that Timestrata raises on purpose."""

    def __reduce__(self) -> tuple[object, ...]:
        # Between processes: an exception is made again from its message alone otherwise, which these do not take.
        return _restored, (type(self), self.__dict__, self.args)


class InvalidFact(TimestrataError, ValueError):
    """A value of a fact cannot be accepted: `field` names it by its path, `found` is what came."""

    def __init__(self, field: str, found: object, wanted: str) -> None:
        super().__init__(f"{field}: found {shown(found)}, want {wanted}")
        self.field = field
        self.found = found
        self.wanted = wanted

    def under(self, path: str) -> InvalidFact:
        """Return the same refusal with `path` put before its field, as `steps[2]` before `active_seconds`."""
        return InvalidFact(f"{path}.{self.field}", self.found, self.wanted)


class MissingField(InvalidFact):
    """A field that every fact needs is absent."""

    def __init__(self, field: str, wanted: str) -> None:
        super().__init__(field, None, wanted)
        self.args = (f"{field}: missing, want {wanted}",)

    def under(self, path: str) -> MissingField:
        return MissingField(f"{path}.{self.field}", self.wanted)


class InvalidRequest(TimestrataError, ValueError):
    """An argument of a call cannot be used: a preset nobody knows, a range that ends before it starts."""

    def __init__(self, argument: str, found: object, wanted: str) -> None:
        super().__init__(f"{argument}: found {shown(found)}, want {wanted}")
        self.argument = argument
        self.found = found
        self.wanted = wanted


class InvalidInput(TimestrataError, ValueError):
    """A file that is read cannot be read on: `line` counts from 1, `column` is the field or header at fault."""

    def __init__(self, line: int, column: str | None, problem: str) -> None:
        where = f"line {line}" if column is None else f"line {line}, column {column}"
        super().__init__(f"{where}: {problem}")
        self.line = line
        self.column = column
        self.problem = problem


class BatchRejected(TimestrataError):
    """A strict batch held an item that was not recorded or replayed; nothing of the batch was written."""

    def __init__(self, index: int, workflow_id: str | None, status: str, reason: str | None) -> None:
        super().__init__(
            f"item {index} ({shown(workflow_id)}) is {status}: {reason}; nothing of this batch was written: "
            "correct the item, or record without strict=True to keep the others"
        )
        self.index = index
        self.workflow_id = workflow_id
        self.status = status
        self.reason = reason


class UnknownWorkflow(TimestrataError, LookupError):
    """No workflow of this id was recorded for this user, it was deleted, or its facts are archived.

    The day of its completion is told of an archived one: its figures are there, and `timestrata archive restore` brings
    its facts back.
    """

    def __init__(self, user_id: str, workflow_id: str, archived: date | None = None) -> None:
        what = f"workflow {shown(workflow_id)} of user {shown(user_id)}"
        if archived is None:
            super().__init__(f"{what} is not recorded")
        else:
            super().__init__(f"the facts of {what} are archived: restore {archived} to read them")
        self.user_id = user_id
        self.workflow_id = workflow_id


class UnknownAlert(TimestrataError, LookupError):
    """No gap alert has this id."""

    def __init__(self, alert_id: str) -> None:
        super().__init__(f"gap alert {shown(alert_id)} does not exist: take an id from the list of alerts")
        self.alert_id = alert_id


class StaleRevision(TimestrataError):
    """The workflow was changed since the caller read it; nothing was written."""

    def __init__(self, user_id: str, workflow_id: str, expected: int, current: int) -> None:
        super().__init__(
            f"workflow {shown(workflow_id)} of user {shown(user_id)} is at revision {current}, "
            f"not {expected}: read it again and repeat the change on what it holds now"
        )
        self.user_id = user_id
        self.workflow_id = workflow_id
        self.expected = expected
        self.current = current


class FactsSealed(TimestrataError):
    """The facts of this day are archived, and the archive cannot give them back."""

    def __init__(self, user_id: str, workflow_id: str, reason: str) -> None:
        super().__init__(
            f"the facts of workflow {shown(workflow_id)} of user {shown(user_id)} are archived, and to change it they "
            f"have to be read again: {reason}"
        )
        self.user_id = user_id
        self.workflow_id = workflow_id


class ArchiveUnavailable(TimestrataError):
    """Something of the archive cannot be read or written: not there, no space, no permission, no connection."""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(f"the archive cannot be used: {shown(what)}: {reason}; put that right, then try again")
        self.what = what
        self.reason = reason


class ArchiveDamaged(TimestrataError):
    """A file of the archive does not hold what was written."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"the archive's file {shown(path)} is damaged: {reason}; put a copy of it back")
        self.path = path
        self.reason = reason


class ArchiveMismatch(TimestrataError):
    """The archive belongs to another store."""

    def __init__(self, url: str, found: str, wanted: str) -> None:
        super().__init__(
            f"the archive {shown(url)} belongs to the store {found}, not to {wanted}: every store has its own"
        )
        self.url = url
        self.found = found
        self.wanted = wanted


class BackupRefused(TimestrataError):
    """A store cannot be copied or put back as asked; nothing was written."""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(f"{shown(what)}: {reason}")
        self.what = what
        self.reason = reason


class ClockJumped(TimestrataError):
    """The clock is behind the last run of retention, or so far ahead of it that it may be wrong."""

    def __init__(self, now: str, last: str, limit: str) -> None:
        super().__init__(
            f"the clock says {now}, the last run of retention was at {last}: want a time not before that and not more "
            f"than {limit} after; put the clock right, or confirm it once with --accept-clock"
        )
        self.now = now
        self.last = last


class RetentionOvertaken(TimestrataError):
    """Another run of retention, or an erasure, changed what this one rests on; nothing of what it wrote counts.

    `path` is the file that was being written or replaced.
    """

    def __init__(self, path: str) -> None:
        super().__init__(
            f"another run, or an erasure, took over while {shown(path)} was written: wait for it, and repeat"
        )
        self.path = path


class UnsupportedDatabase(TimestrataError):
    """The URL names a database, a version or a driver that Timestrata does not run on."""


class SchemaNotReady(TimestrataError):
    """The database has no Timestrata schema, or an older one, and open_history() was told not to migrate."""


class NewerSchema(TimestrataError):
    """The database was migrated by a newer Timestrata; this one does not touch it."""

    def __init__(self, found: str, known: str) -> None:
        super().__init__(
            f"the database has schema {found}, this Timestrata knows schemas up to {known}: upgrade Timestrata"
        )
        self.found = found
        self.known = known


class SettingsMismatch(TimestrataError):
    """The store was created with another value of a setting that its figures rest on."""

    def __init__(self, setting: str, stored: str, asked: str) -> None:
        super().__init__(
            f"{setting}: this store was created with {stored}, not {asked}; its figures rest on it, "
            "so it is fixed: open it without this setting, or export into a new store"
        )
        self.setting = setting
        self.stored = stored
        self.asked = asked


class UnknownUser(TimestrataError, LookupError):
    """Nothing was ever recorded for a user of this name."""

    def __init__(self, user_id: str) -> None:
        super().__init__(f"user {shown(user_id)} does not exist: nothing was recorded for this name")
        self.user_id = user_id


class UnknownTemplate(TimestrataError, LookupError):
    """No template of this name (and version) was put."""

    def __init__(self, template: str, version: int | None = None) -> None:
        which = "" if version is None else f" in version {version}"
        super().__init__(f"template {shown(template)} does not exist{which}: put_template() first")
        self.template = template
        self.version = version


class UntrackedWorkflow(TimestrataError, LookupError):
    """No workflow of this id was started for this user."""

    def __init__(self, user_id: str, workflow_id: str) -> None:
        super().__init__(f"workflow {shown(workflow_id)} of user {shown(user_id)} was not started here")
        self.user_id = user_id
        self.workflow_id = workflow_id


class UnknownSession(TimestrataError, LookupError):
    """No time session has this id."""

    def __init__(self, session_id: str) -> None:
        super().__init__(f"session {shown(session_id)} does not exist: take an id from the list of its sessions")
        self.session_id = session_id


class WorkflowExists(TimestrataError):
    """The id of a workflow that is to be started or completed is taken by another one."""

    def __init__(self, user_id: str, workflow_id: str, how: str) -> None:
        super().__init__(f"workflow {shown(workflow_id)} of user {shown(user_id)} {how}: take another id")
        self.user_id = user_id
        self.workflow_id = workflow_id


class WrongState(TimestrataError):
    """What is asked for cannot be done to a workflow or session in the state it is in; nothing was changed."""

    def __init__(self, action: str, found: str, wanted: str) -> None:
        super().__init__(f"{action}: found {found}, want {wanted}")
        self.action = action
        self.found = found
        self.wanted = wanted


class SessionRunning(TimestrataError):
    """Another session of the user is running, and this store does not let two run at once."""

    def __init__(self, user_id: str, workflow_id: str) -> None:
        super().__init__(
            f"user {shown(user_id)} has a session running on workflow {shown(workflow_id)}: pause or end it first"
        )
        self.user_id = user_id
        self.workflow_id = workflow_id


class KeyReused(TimestrataError, ValueError):
    """An idempotency key was used before, for another call."""

    def __init__(self, key: str) -> None:
        super().__init__(f"idempotency key {shown(key)} was used for another call: take a new key for a new call")
        self.key = key


class UnknownToken(TimestrataError, LookupError):
    """No token has this id."""

    def __init__(self, token_id: str) -> None:
        super().__init__(f"token {shown(token_id)} does not exist: take an id from the list of tokens")
        self.token_id = token_id


class UnknownJob(TimestrataError, LookupError):
    """The schedule has no job of this name."""

    def __init__(self, name: str, known: Sequence[str] = ()) -> None:
        super().__init__(f"job {shown(name)} does not exist: want one of {', '.join(known)}")
        self.name = name
        self.known = tuple(known)


class JobRunning(TimestrataError):
    """The job runs already, in this process or another one."""

    def __init__(self, name: str, holder: str, since: datetime) -> None:
        began = since.isoformat(sep=" ", timespec="seconds")
        super().__init__(
            f"job {shown(name)} is run by {shown(holder)} since {began}: wait for its end; if that process was killed, "
            "the job is free again within minutes"
        )
        self.name = name
        self.holder = holder
        self.since = since
