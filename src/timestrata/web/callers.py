"""What a route gets to work with: a Reader to answer questions, a Writer to make changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, TypeVar

from fastapi import Depends, Request, Response

from timestrata.access import Principal
from timestrata.history import History
from timestrata.web import answers, wire
from timestrata.web.principals import check_read, check_write, forbidden, named_user
from timestrata.web.problems import Problem
from timestrata.web.service import Service, service_of

T = TypeVar("T")


class _Caller:
    """Who asks, and the service that is asked."""

    __slots__ = ("_request", "principal", "service")

    def __init__(self, request: Request, service: Service, principal: Principal) -> None:
        self._request = request
        self.service = service
        self.principal = principal

    def user(self, user_id: str | None) -> str:
        """Return whose data a route without {user_id} is about: ?user_id=, else the token's own. Raises Problem."""
        return named_user(self.principal, user_id)


class Reader(_Caller):
    """Answers questions about one user (checked: 403), or about all with None."""

    __slots__ = ()

    def check(self, user: str | None) -> None:
        """Raise Problem (403) unless the data of a user, or of all with None, may be read."""
        check_read(self.principal, user)

    async def figures(self, user: str | None, question: Callable[[History], object]) -> Response:
        """Answer with what follows from recorded data, the day and the URL alone: it is computed once a revision."""
        self.check(user)
        service = self.service
        etag = answers.tag_of_revision(self._request, user, await service.revisions.of(user))
        if answers.is_known(self._request, etag):
            return answers.not_modified(etag)
        body = service.answers.get(etag)
        if body is None:
            body = await service.run(lambda: wire.encode(question(service.history)))
            service.answers.put(etag, body)
        service.notes.take(self.principal.token_id, self._request.scope, user)
        return answers.found(body, etag)

    async def fresh(self, user: str | None, question: Callable[[History], object]) -> Response:
        """Answer with what changes by itself as time goes by, such as a running session: it is computed each time."""
        self.check(user)
        return await self.open(question)

    async def open(self, question: Callable[[History], object]) -> Response:
        """Answer with what is nobody's data, such as a template, to anyone with a token."""
        service = self.service
        body = await service.run(lambda: wire.encode(question(service.history)))
        etag = answers.tag_of_body(body)
        return answers.not_modified(etag) if answers.is_known(self._request, etag) else answers.found(body, etag)

    async def ask(self, question: Callable[[History], T]) -> T:
        """Return the result of a call of the library; nothing is checked."""
        service = self.service
        return await service.run(lambda: question(service.history))


class Writer(_Caller):
    """Makes changes for one user (checked: 403)."""

    __slots__ = ()

    def check(self, user: str) -> None:
        """Raise Problem (403) unless the data of a user may be changed."""
        check_write(self.principal, user)

    def check_admin(self) -> None:
        """Raise Problem (403) unless everything is allowed."""
        if not self.principal.is_admin:
            raise forbidden("this; it needs the scope admin")

    def check_any(self) -> None:
        """Raise Problem (403) unless anything may be changed at all, by whomever."""
        if not self.principal.is_admin and "write:own" not in self.principal.scopes:
            raise forbidden("changes; they need the scope write:own")

    def revision(self) -> int | None:
        """Return the revision that If-Match names, None for `*`: any. Raises Problem (428 when it is missing, 422)."""
        given = self._request.headers.get("if-match")
        if given is None:
            raise Problem(
                428,
                "precondition_required",
                "If-Match: missing, want the revision that you read, as in If-Match: 1",
                field="If-Match",
            )
        if given.strip() == "*":
            return None
        number = given.strip().removeprefix("W/").strip('"')
        if not number.isdecimal() or not number.isascii() or not 1 <= int(number[:10]) < 2**31 or len(number) > 10:
            raise Problem(
                422, "invalid_value", "If-Match: want one revision, a whole number, or *", field="If-Match", found=given
            )
        return int(number)

    async def body(self) -> object:
        """Return the JSON value of the request's body. Raises InvalidJson."""
        return wire.parse(await self._request.body())

    async def run(self, change: Callable[[History], T]) -> T:
        """Return the result of a change; nothing is checked."""
        service = self.service
        return await service.run(lambda: change(service.history))

    async def answer(
        self,
        user: str,
        change: Callable[[History], object],
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Make a change for a user and answer with its result."""
        self.check(user)
        return wire.respond(await self.run(change), status, headers)


async def _reader(request: Request) -> Reader:
    service = service_of(request)
    return Reader(request, service, await service.gate.principal(request))


async def _writer(request: Request) -> Writer:
    service = service_of(request)
    return Writer(request, service, await service.gate.principal(request))


Reads = Annotated[Reader, Depends(_reader)]
"""A parameter of a route that answers questions."""

Writes = Annotated[Writer, Depends(_writer)]
"""A parameter of a route that makes changes."""
