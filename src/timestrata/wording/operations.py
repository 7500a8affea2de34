"""What the page of the operations says."""

TITLE = "Operations"

JOBS = "Jobs"
JOBS_SUB = "What the service does by itself, by the clocks of {zone}."
JOBS_UNKEPT = "No process has kept this schedule yet: `timestrata serve` does, or `timestrata jobs run`."
JOB_COLUMNS = ("Job", "Schedule", "Next run", "Last end", "Outcome")
JOB_NAMES = {
    "retention": "Archive old facts",
    "audit": "Verify the figures",
    "alerts": "Delete old alerts",
    "archive": "Verify the archive",
}
NO_SCHEDULE = "switched off"
DUE = "due"
RUNNING = "running since {moment} on {holder}"
NEVER = "not yet"
OUTCOMES = {"ok": "well", "failed": "failed"}
RESULTS = {
    "retention": "{completions} tickets archived",
    "audit": "{problem_count} problems in {users} people's figures",
    "alerts": "{deleted} deleted",
    "archive": "{files} files looked at",
}
SKIPPED = "nothing to do: no archive is configured"

STORE = "The store"
STORE_SUB = "What the figures rest on."
VERIFIED = "Last verification"
VERIFIED_OK = "All well, {moment}"
VERIFIED_BAD = "{count} problems, {moment}: `timestrata verify` names them"
VERIFIED_ERROR = "It could not be carried out, {moment}"
VERIFIED_NEVER = "Never: `timestrata verify` does it, and so does the schedule"
SEALED = "Sealed until"
SEALED_NONE = "Nothing is sealed: every figure can be followed to recorded sessions"
HELD = "Held out"
HELD_SOME = "{count} tracked tickets wait for the end of a session that was left running"
HELD_NONE = "nothing"
ARCHIVE = "Archive"
ARCHIVE_FILES = "{files} files, {size}, {completions} tickets"
ARCHIVE_EMPTY = "empty"
ARCHIVE_NONE = "none is configured"
DATABASE = "Database"
DATABASE_SIZE = "{kind}, {size}"
REVISION = "Revision"
VERSION = "Version"
ZONE = "Time zone"

TOKENS = "Tokens"
TOKENS_SUB = "Who may ask, and for what. Of a token only a hash of its secret is kept."
TOKENS_NONE = "There is no token yet."
TOKEN_COLUMNS = ("Name", "Id", "User", "Scopes", "Created", "Expires", "State")
TOKEN_ACTION = "Change"
STATES = {"active": "active", "expired": "expired", "revoked": "revoked"}
NO_END = "never"
THIS_SESSION = "this session"
REVOKE = "Revoke"
REVOKE_ONE = "Revoke the token {name}"
REVOKE_SURE = "It ends within a second, for good."
REVOKE_SELF = "It ends the session you are in, for good."
REVOKE_YES = "Revoke {name}"

CREATE = "New token"
NAME = "Name"
NAME_HINT = "What it is for, as in “laptop of Ana”."
USER = "User"
USER_HINT = "Whom it acts for; needed for the scopes that end in “own”."
SCOPES = "Scopes"
SCOPE_HINTS = {
    "read:own": "see one's own history",
    "write:own": "track and record one's own work",
    "read:all": "see everybody's history",
    "admin": "everything",
}
EXPIRES = "Ends"
LIFETIMES = {"7": "after 7 days", "30": "after 30 days", "90": "after 90 days", "365": "after a year", "": "never"}
SUBMIT = "Make the token"
WRONG = {
    "InvalidFact": {
        "name": "A name needs 1 to 255 characters that can be shown.",
        "user": "A user needs 1 to 255 characters that can be shown.",
    },
    "InvalidRequest": {
        "user": "A scope that ends in “own” needs the user that it is for.",
        "scopes": "Choose at least one scope.",
    },
}
"""Why a token was not made: by the error and the field."""
REFUSED = {"unknown_token": "There is no such token."}

MADE = "The token is made"
MADE_HINT = "Copy it now: this is the only time that it is shown."
SECRET = "Token"
BACK = "To the operations"
