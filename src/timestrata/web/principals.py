"""Who asks: the bearer token or the session cookie of a request, and what it allows."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from timestrata.access import Principal
from timestrata.web.config import Config
from timestrata.web.limits import Rates
from timestrata.web.problems import Problem

COOKIE = "timestrata_session"
_MOST_KEPT = 10_000
_LONGEST_CREDENTIAL = 200

Check = Callable[[str], Awaitable[Principal | None]]


class Gate:
    """Tells who asks. What the store said of a token holds for a second; requests that wait for it ask once."""

    def __init__(self, check: Check, rates: Rates, config: Config) -> None:
        self._check = check
        self._rates = rates
        self._now = config.monotonic
        self._keep_seconds = config.token_kept_seconds
        self._known: OrderedDict[str, tuple[float, Principal | None]] = OrderedDict()
        self._asking: dict[str, asyncio.Task[Principal | None]] = {}

    async def principal(self, request: HTTPConnection) -> Principal:
        """Return who sent a request, and count it. Raises Problem (401, 429)."""
        state = request.scope.setdefault("state", {})
        known: Principal | None = state.get("principal")
        if known is None:
            known = await self._authenticated(request)
            self._rates.count_request(known.token_id)
            state["principal"] = known
        return known

    async def still(self, request: HTTPConnection) -> bool:
        """Tell whether the token of a request is valid now; nothing is counted."""
        credential, _ = _credential(request)
        return credential is not None and await self._principal(credential) is not None

    def forget(self, credential: str) -> None:
        """Ask the store again about a token, which was just revoked here."""
        self._known.pop(credential, None)

    async def _authenticated(self, request: HTTPConnection) -> Principal:
        credential, by_cookie = _credential(request)
        if credential is None:
            raise _unauthenticated("a token is needed: send it as `Authorization: Bearer TOKEN`", None)
        if by_cookie and request.scope["method"] not in ("GET", "HEAD") and not _from_own_pages(request):
            raise Problem(403, "forbidden", "a cookie is not accepted for a change that another site asks for")
        address = request.client.host if request.client else ""
        if self._remembered(credential) is None:
            self._rates.check_failures(address)
        found = await self._principal(credential)
        if found is None:
            self._rates.count_failure(address)
            raise _unauthenticated("the token is unknown, expired or revoked", "invalid_token")
        return found

    async def _principal(self, credential: str) -> Principal | None:
        remembered = self._remembered(credential)
        if remembered is not None:
            return remembered[1]
        asking = self._asking.get(credential)
        if asking is None:
            asking = asyncio.ensure_future(self._ask(credential))
            self._asking[credential] = asking
        # Shielded: a client that goes away must not end the question for the others.
        return await asyncio.shield(asking)

    async def _ask(self, credential: str) -> Principal | None:
        began = self._now()
        try:
            found = await self._check(credential)
            self._known[credential] = (began + self._keep_seconds, found)
            if len(self._known) > _MOST_KEPT:
                self._known.popitem(last=False)
            return found
        finally:
            del self._asking[credential]

    def _remembered(self, credential: str) -> tuple[float, Principal | None] | None:
        known = self._known.get(credential)
        return known if known is not None and known[0] > self._now() else None


def _credential(request: HTTPConnection) -> tuple[str | None, bool]:
    """Return the token of a request, and whether it came in the cookie. A header, even a wrong one, comes first."""
    header = request.headers.get("authorization")
    if header is None:
        return request.cookies.get(COOKIE), True
    scheme, _, token = header.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not 1 <= len(token) <= _LONGEST_CREDENTIAL:
        raise _unauthenticated("want `Authorization: Bearer TOKEN`", "invalid_request")
    return token, False


def _unauthenticated(detail: str, error: str | None) -> Problem:
    challenge = 'Bearer realm="timestrata"' + (f', error="{error}"' if error else "")
    return Problem(401, "not_authenticated", detail, {"WWW-Authenticate": challenge})


def _from_own_pages(request: HTTPConnection) -> bool:
    """Tell whether a browser says that a page of this very server sent the request."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin, host = request.headers.get("origin"), request.headers.get("host")
    return origin is not None and host is not None and origin.partition("://")[2] == host


def is_cross_site(request: HTTPConnection) -> bool:
    """Tell whether a browser says that a page of another site sent the request; programs say nothing of the kind."""
    says = "sec-fetch-site" in request.headers or "origin" in request.headers
    return says and not _from_own_pages(request)


def forbidden(what: str) -> Problem:
    """Return the refusal of something that the token does not allow."""
    return Problem(403, "forbidden", f"the token does not allow {what}")


def check_read(principal: Principal, user: str | None) -> None:
    """Raise Problem (403) unless the data of a user may be read; None: of all users."""
    if user is None and not principal.may_read_all:
        raise forbidden("reading the data of all users; it needs the scope read:all")
    if user is not None and not principal.may_read(user):
        raise forbidden("reading the data of this user")


def check_write(principal: Principal, user: str) -> None:
    """Raise Problem (403) unless the data of a user may be changed."""
    if not principal.may_write(user):
        raise forbidden("changing the data of this user")


def named_user(principal: Principal, user_id: str | None) -> str:
    """Return whose data a call without a user in its path is about: the one named, else the token's own.

    Raises Problem (422) when neither is there.
    """
    user = user_id if user_id is not None else principal.user
    if user is None:
        raise Problem(
            422,
            "missing_field",
            "user_id: missing, this token acts for nobody in particular",
            field="user_id",
            expected="the id of a user, as ?user_id=",
        )
    return user


class Doorkeeper:
    """Asks who is there before anything else of a request is looked at: its body, its path, its size."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/api/"):
            await self._gate.principal(HTTPConnection(scope))
        await self._app(scope, receive, send)
