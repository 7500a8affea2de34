"""Tokens and logins: what they let their holder do, for how long, and what is kept of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from conftest import NOW, reopened
from sqlalchemy import text

from timestrata import History, InvalidFact, InvalidRequest, open_history
from timestrata.access import SCOPES, SESSION_LIFETIME, Principal
from timestrata.errors import UnknownToken

DAY = timedelta(days=1)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def timed(store_url: str, clock: Clock) -> Iterator[History]:
    with open_history(store_url, clock=clock) as opened:
        yield opened


def test_a_token_authenticates_as_whom_it_was_made_for(history: History) -> None:
    made = history.access.create_token("laptop", ["write:own", "read:own"], "ana", DAY)

    found = history.access.authenticate(made.secret)

    scopes = frozenset(("read:own", "write:own"))
    assert found == Principal(made.token.token_id, "laptop", "ana", scopes, NOW + DAY)


def test_another_process_knows_the_token(history: History, store_url: str) -> None:
    made = history.access.create_token("ci", ["admin"])

    with reopened(store_url) as other:
        assert other.access.authenticate(made.secret) is not None


def test_only_the_hash_of_a_secret_is_kept(history: History) -> None:
    made = history.access.create_token("ci", ["admin"])
    secret = made.secret.removeprefix(f"timestrata_{made.token.token_id}_")

    with history.engine.connect() as connection:
        [row] = connection.execute(text("SELECT * FROM ts_token")).all()

    assert bytes(row.secret_hash) == sha256(secret.encode()).digest()
    assert secret not in repr(row)


def test_the_repr_of_a_new_token_does_not_show_its_secret(history: History) -> None:
    made = history.access.create_token("ci", ["admin"])

    assert made.secret not in repr(made)


def test_tokens_have_ids_and_secrets_of_their_own(history: History) -> None:
    made = [history.access.create_token("same", ["admin"]) for _ in range(10)]

    assert len({each.token.token_id for each in made}) == len({each.secret for each in made}) == 10
    assert all(re.fullmatch(r"timestrata_[0-9a-f]{12}_[A-Za-z0-9_-]{43}", each.secret) for each in made)


@pytest.mark.parametrize(
    "change",
    [
        lambda secret: secret[:-1] + ("A" if secret[-1] != "A" else "B"),
        lambda secret: secret[:-1],
        lambda secret: secret + "A",
        lambda secret: secret.replace("timestrata", "Timestrata"),
        lambda secret: secret[:11] + "0" * 12 + secret[23:],
        lambda secret: secret + "\0",
        lambda secret: secret[:30] + "é" + secret[31:],
        lambda secret: secret[:30] + "\ud800" + secret[31:],
        lambda _: "",
        lambda _: "timestrata__",
        lambda _: "x" * 100_000,
    ],
)
def test_what_is_not_exactly_a_token_authenticates_nobody(history: History, change: object) -> None:
    made = history.access.create_token("ci", ["admin"])

    assert history.access.authenticate(change(made.secret)) is None  # type: ignore[operator]


def test_a_token_ends_at_the_instant_it_expires(timed: History, clock: Clock) -> None:
    made = timed.access.create_token("ci", ["admin"], expires=DAY)

    clock.now = NOW + DAY - timedelta(microseconds=1)
    before = timed.access.authenticate(made.secret), timed.access.tokens()[0].state, timed.access.has_valid_token()
    clock.now = NOW + DAY
    after = timed.access.authenticate(made.secret), timed.access.tokens()[0].state, timed.access.has_valid_token()

    assert (before[0] is not None, *before[1:]) == (True, "active", True)
    assert after == (None, "expired", False)


def test_a_revoked_token_authenticates_nobody(history: History) -> None:
    made, other = (history.access.create_token(name, ["admin"]) for name in ("lost", "kept"))

    revoked = history.access.revoke(made.token.token_id)

    assert (revoked.state, revoked.revoked_at) == ("revoked", NOW)
    assert history.access.authenticate(made.secret) is None
    assert history.access.authenticate(other.secret) is not None


def test_revoking_twice_keeps_the_first_time(timed: History, clock: Clock) -> None:
    made = timed.access.create_token("lost", ["admin"])
    timed.access.revoke(made.token.token_id)

    clock.now = NOW + DAY
    again = timed.access.revoke(made.token.token_id)

    assert again.revoked_at == NOW


@pytest.mark.parametrize("token_id", ["0" * 12, "", "ana", "\0", "é" * 12, "x" * 1000])
def test_a_token_that_does_not_exist_cannot_be_revoked(history: History, token_id: str) -> None:
    with pytest.raises(UnknownToken) as refusal:
        history.access.revoke(token_id)

    assert refusal.value.token_id == token_id


def test_tokens_are_listed_in_the_order_they_were_made(timed: History, clock: Clock) -> None:
    first = timed.access.create_token("first", ["admin"])
    clock.now = NOW + DAY
    timed.access.create_token("second", ["read:all", "write:own"], "ben", NOW + 2 * DAY)
    timed.access.revoke(first.token.token_id)

    listed = timed.access.tokens()

    assert [(token.name, token.state) for token in listed] == [("first", "revoked"), ("second", "active")]
    assert (listed[1].user, listed[1].scopes) == ("ben", ("write:own", "read:all"))
    assert (listed[1].created_at, listed[1].expires_at) == (NOW + DAY, NOW + 2 * DAY)


def test_a_store_without_a_valid_token_says_so(history: History) -> None:
    assert not history.access.has_valid_token()

    made = history.access.create_token("ci", ["read:all"])
    assert history.access.has_valid_token()

    history.access.revoke(made.token.token_id)
    assert not history.access.has_valid_token()


@pytest.mark.parametrize(
    ("scopes", "user", "expires"),
    [
        ([], None, None),
        (["root"], None, None),
        (["admin", "read:everything"], None, None),
        (["read:own"], None, None),
        (["write:own"], None, None),
        (["admin"], None, timedelta(0)),
        (["admin"], None, -DAY),
        (["admin"], None, NOW),
        (["admin"], None, timedelta(days=10**6 * 9)),
    ],
)
def test_a_token_that_makes_no_sense_is_refused(
    history: History, scopes: list[str], user: str | None, expires: datetime | timedelta | None
) -> None:
    with pytest.raises((InvalidRequest, InvalidFact)):
        history.access.create_token("ci", scopes, user, expires)

    assert history.access.tokens() == ()


@pytest.mark.parametrize("name", ["", "x" * 256, "a\0b", "\ud800"])
def test_a_name_that_no_store_can_hold_is_refused(history: History, name: str) -> None:
    with pytest.raises(InvalidFact):
        history.access.create_token(name, ["admin"])
    with pytest.raises(InvalidFact):
        history.access.create_token("ci", ["admin"], user=name)


# By scope: may its holder read own, another's, all; write own, another's?
MAY = {
    "read:own": (True, False, False, False, False),
    "write:own": (False, False, False, True, False),
    "read:all": (True, True, True, False, False),
    "admin": (True, True, True, True, True),
}


@pytest.mark.parametrize("scope", SCOPES)
def test_each_scope_allows_what_it_says_and_nothing_else(scope: str) -> None:
    who = Principal("0" * 12, "test", "ana", frozenset((scope,)))

    may = who.may_read("ana"), who.may_read("ben"), who.may_read_all, who.may_write("ana"), who.may_write("ben")

    assert may == MAY[scope]
    assert who.is_admin == (scope == "admin")


def test_a_token_of_nobody_owns_nothing() -> None:
    who = Principal("0" * 12, "test", None, frozenset(("read:own", "write:own")))

    assert not who.may_read("ana")
    assert not who.may_write("None")


def test_a_login_works_once(history: History) -> None:
    secret = history.access.create_login()

    made = history.access.redeem_login(secret)
    again = history.access.redeem_login(secret)

    assert made is not None
    assert again is None
    found = history.access.authenticate(made.secret)
    assert found is not None
    assert (found.is_admin, found.expires_at) == (True, NOW + SESSION_LIFETIME)


def test_a_login_that_many_try_at_once_lets_one_in(history: History) -> None:
    secret = history.access.create_login()

    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(history.access.redeem_login, [secret] * 8))

    assert sum(each is not None for each in made) == 1
    assert len(history.access.tokens()) == 1


def test_a_login_is_too_old_at_the_end_of_its_lifetime(timed: History, clock: Clock) -> None:
    secrets = [timed.access.create_login(timedelta(minutes=15)) for _ in range(2)]

    clock.now = NOW + timedelta(minutes=15) - timedelta(microseconds=1)
    assert timed.access.redeem_login(secrets[0]) is not None
    clock.now = NOW + timedelta(minutes=15)
    assert timed.access.redeem_login(secrets[1]) is None


def test_old_logins_are_forgotten(timed: History, clock: Clock) -> None:
    timed.access.create_login()
    clock.now = NOW + DAY
    timed.access.create_login()

    with timed.engine.connect() as connection:
        kept = connection.execute(text("SELECT count(*) FROM ts_login")).scalar_one()

    assert kept == 1


@pytest.mark.parametrize("secret", ["", "x", "\0", "é", "\ud800", "x" * 10_000])
def test_what_is_no_login_lets_nobody_in(history: History, secret: str) -> None:
    history.access.create_login()

    assert history.access.redeem_login(secret) is None
    assert history.access.tokens() == ()


def test_an_end_is_kept_in_utc(history: History) -> None:
    ends = datetime(2024, 7, 1, tzinfo=UTC)

    made = history.access.create_token("ci", ["admin"], expires=ends)

    assert made.token.expires_at == ends
    assert history.access.tokens() == (made.token,)
