"""Who may do what: bearer tokens, links that log in once, and what the holder of a token may see and change.

A token is `timestrata_ID_SECRET`. The id names it for good (in lists, logs, to revoke it); of the secret, 32 random
bytes, only the SHA-256 is kept: it is too long to be guessed, so that a slow hash would protect nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from hmac import compare_digest
from secrets import token_hex, token_urlsafe
from typing import Any, Literal, Protocol, TypeVar, get_args

from sqlalchemy import Connection, delete, func, insert, or_, select, update

from timestrata import schema
from timestrata.calendar import instant, moment
from timestrata.errors import InvalidRequest, UnknownToken
from timestrata.facts import checked_moment, checked_text

Scope = Literal["read:own", "write:own", "read:all", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

T = TypeVar("T")

SESSION_NAME = "browser session"
SESSION_LIFETIME = timedelta(days=7)
_TOKEN = re.compile(r"timestrata_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_LONGEST_LOGIN = 64


@dataclass(frozen=True, slots=True)
class Principal:
    """The holder of a valid token. `user` is the one it acts for, None for a token of nobody in particular."""

    token_id: str
    name: str
    user: str | None
    scopes: frozenset[str]
    expires_at: datetime | None = None

    @property
    def is_admin(self) -> bool:
        """Tell whether everything is allowed."""
        return "admin" in self.scopes

    @property
    def may_read_all(self) -> bool:
        """Tell whether the data of every user may be read."""
        return "admin" in self.scopes or "read:all" in self.scopes

    @property
    def may_track(self) -> bool:
        """Tell whether there is somebody whose work may be tracked: oneself, or anybody."""
        return self.is_admin or (self.user is not None and "write:own" in self.scopes)

    def may_read(self, user: str) -> bool:
        """Tell whether the data of `user` may be read."""
        return self.may_read_all or ("read:own" in self.scopes and user == self.user)

    def may_write(self, user: str) -> bool:
        """Tell whether the data of `user` may be changed."""
        return self.is_admin or ("write:own" in self.scopes and user == self.user)


@dataclass(frozen=True, slots=True)
class Token:
    """What is known of a token: everything but its secret. `state` is active, expired or revoked."""

    token_id: str
    name: str
    user: str | None
    scopes: tuple[Scope, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    state: Literal["active", "expired", "revoked"]


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that was just made: the only time that its secret is seen."""

    token: Token
    secret: str

    def __repr__(self) -> str:  # reprs end up in logs
        return f"NewToken({self.token!r}, secret=...)"


class Runner(Protocol):
    """Runs an action on a connection, in a transaction of its own, again after transient errors."""

    def __call__(self, action: Callable[[Connection], T], /) -> T: ...


class Access:
    """The tokens of a store.

    >>> from timestrata import open_history
    >>> with open_history("sqlite://") as history:
    ...     made = history.access.create_token("laptop", ["read:own", "write:own"], user="ana")
    ...     history.access.authenticate(made.secret).may_read("ben")
    False
    """

    def __init__(self, read: Runner, write: Runner, clock: Callable[[], datetime]) -> None:
        self._read = read
        self._write = write
        self._clock = clock

    # ---------------------------------------------------------------------------------------------------------- tokens

    def create_token(
        self, name: str, scopes: Collection[str], user: str | None = None, expires: datetime | timedelta | None = None
    ) -> NewToken:
        """Make a token; `expires` is when it ends, or after how long, None: never.

        Scopes ending in ":own" need a `user`. Raises InvalidRequest, InvalidFact.
        """
        now = self._clock()
        return self._write(_insertion(_new(now, name, scopes, user, _end(now, expires))))

    def tokens(self) -> tuple[Token, ...]:
        """Return every token, the oldest first, with those that expired or were revoked."""
        c = schema.token.c
        rows = self._read(lambda own: own.execute(select(schema.token).order_by(c.created_at, c.token_id)).all())
        now = instant(self._clock())
        return tuple(_token(row, now) for row in rows)

    def has_valid_token(self) -> bool:
        """Tell whether anybody can authenticate."""
        now = instant(self._clock())
        valid = select(func.count()).select_from(schema.token).where(*_valid(now))
        return bool(self._read(lambda own: own.execute(valid).scalar_one()))

    def revoke(self, token_id: str) -> Token:
        """End a token now; a revoked one stays as it is. Raises UnknownToken."""
        now = instant(self._clock())

        def revoke(connection: Connection) -> Token:
            c = schema.token.c
            row = connection.execute(select(schema.token).where(c.token_id == _asked(token_id))).one_or_none()
            if row is None:
                raise UnknownToken(token_id)
            if row.revoked_at is None:
                connection.execute(update(schema.token).where(c.token_id == row.token_id).values(revoked_at=now))
            return _token(row, now, revoked_at=row.revoked_at if row.revoked_at is not None else now)

        return self._write(revoke)

    def authenticate(self, bearer: str) -> Principal | None:
        """Return who holds a token, None when it is unknown, wrong, expired or revoked."""
        parts = _TOKEN.fullmatch(bearer)
        if parts is None:
            return None
        c = schema.token.c
        row = self._read(lambda own: own.execute(select(schema.token).where(c.token_id == parts[1])).one_or_none())
        if row is None or not compare_digest(_hash(parts[2]), bytes(row.secret_hash)):
            return None
        token = _token(row, instant(self._clock()))
        if token.state != "active":
            return None
        return Principal(token.token_id, token.name, token.user, frozenset(token.scopes), token.expires_at)

    # ---------------------------------------------------------------------------------------------------------- logins

    def create_login(self, lifetime: timedelta = timedelta(minutes=15)) -> str:
        """Return the secret of a link that logs in as admin, once, within `lifetime`."""
        now, secret = self._clock(), token_urlsafe(32)
        ends = instant(now + lifetime)

        def put(connection: Connection) -> str:
            table = schema.login
            connection.execute(delete(table).where(table.c.expires_at <= instant(now)))
            connection.execute(insert(table).values(secret_hash=_hash(secret), expires_at=ends))
            return secret

        return self._write(put)

    def redeem_login(self, secret: str) -> NewToken | None:
        """Return a new token for the secret of a login, which is used up; None when it is unknown, used or too old."""
        if not 1 <= len(secret) <= _LONGEST_LOGIN or not secret.isascii():
            return None
        now = self._clock()

        def redeem(connection: Connection) -> NewToken | None:
            c = schema.login.c
            # One statement finds and removes it, so that of two browsers one comes too late.
            used = delete(schema.login).where(c.secret_hash == _hash(secret)).returning(c.expires_at)
            ends = connection.execute(used).scalar()
            if ends is None or ends <= instant(now):
                return None
            return _insertion(_new(now, SESSION_NAME, ["admin"], None, now + SESSION_LIFETIME))(connection)

        return self._write(redeem)


def _new(now: datetime, name: str, scopes: Collection[str], user: str | None, ends: datetime | None) -> NewToken:
    checked_text("name", name)
    if user is not None:
        checked_text("user", user)
    token_id, secret = token_hex(6), token_urlsafe(32)
    created_at = moment(instant(now))
    token = Token(token_id, name, user, _checked_scopes(scopes, user), created_at, ends, None, "active")
    return NewToken(token, f"timestrata_{token_id}_{secret}")


def _checked_scopes(scopes: Collection[str], user: str | None) -> tuple[Scope, ...]:
    given = [scopes] if isinstance(scopes, str) else list(scopes)
    if not given:
        raise InvalidRequest("scopes", given, f"at least one of {', '.join(SCOPES)}")
    for scope in given:
        if scope not in SCOPES:
            raise InvalidRequest("scopes", scope, f"one of {', '.join(SCOPES)}")
        if user is None and scope.endswith(":own"):
            raise InvalidRequest("user", user, f"the user that {scope} is for")
    return tuple(scope for scope in SCOPES if scope in given)


def _end(now: datetime, expires: datetime | timedelta | None) -> datetime | None:
    if expires is None:
        return None
    try:
        ends = checked_moment("expires", now + expires if isinstance(expires, timedelta) else expires)
    except OverflowError as error:
        raise InvalidRequest("expires", str(expires), "a time that the calendar has") from error
    if ends <= now:
        raise InvalidRequest("expires", ends.isoformat(), "a time in the future")
    return ends


def _insertion(new: NewToken) -> Callable[[Connection], NewToken]:
    token = new.token
    values = {
        "token_id": token.token_id,
        "name": token.name,
        "for_user": token.user,
        "scopes": " ".join(token.scopes),
        "secret_hash": _hash(new.secret.removeprefix(f"timestrata_{token.token_id}_")),
        "created_at": instant(token.created_at),
        "expires_at": None if token.expires_at is None else instant(token.expires_at),
        "revoked_at": None,
    }

    def put(connection: Connection) -> NewToken:
        # It may stand there already, when the answer to a commit was lost and the transaction is repeated.
        connection.execute(delete(schema.token).where(schema.token.c.token_id == token.token_id))
        connection.execute(insert(schema.token).values(values))
        return new

    return put


def _token(row: Any, now: int, revoked_at: int | None = None) -> Token:
    revoked_at = row.revoked_at if revoked_at is None else revoked_at
    expired = row.expires_at is not None and row.expires_at <= now
    return Token(
        row.token_id,
        row.name,
        row.for_user,
        tuple(row.scopes.split()),
        moment(row.created_at),
        None if row.expires_at is None else moment(row.expires_at),
        None if revoked_at is None else moment(revoked_at),
        "revoked" if revoked_at is not None else "expired" if expired else "active",
    )


def _valid(now: int) -> tuple[Any, ...]:
    c = schema.token.c
    return c.revoked_at.is_(None), or_(c.expires_at.is_(None), c.expires_at > now)


def _asked(token_id: str) -> str:
    return token_id if re.fullmatch(r"[0-9a-f]{12}", token_id) else ""


def _hash(secret: str) -> bytes:
    return sha256(secret.encode()).digest()
