"""Server-sent events: that something changed, to those who may know."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from conftest import NOW
from facts_made import made
from web_client import QUIET, Exchange, Served, served

from timestrata import History
from timestrata.history import Revision
from timestrata.web.revisions import Revisions

AT_ONCE = replace(QUIET, poll_seconds=0, events_check_seconds=0, token_kept_seconds=0)


@pytest.fixture
def one(history: History) -> Iterator[Served]:
    with served(history, AT_ONCE) as one:
        yield one


@asynccontextmanager
async def listening(one: Served, token: str, query: str = "", **headers: str) -> AsyncIterator[AsyncIterator[str]]:
    """Listen, and lend the ids of the events as they come."""
    given = [
        ("Authorization", f"Bearer {token}"),
        *((name.replace("_", "-"), value) for name, value in headers.items()),
    ]
    async with Exchange(one.app, "GET", f"/api/v1/events{query}", given) as exchange:

        async def ids() -> AsyncIterator[str]:
            async for line in exchange.lines():
                if line.startswith("id: "):
                    yield line.removeprefix("id: ")

        yield ids()


def token(one: Served, *scopes: str, user: str | None = None) -> str:
    return one.history.access.create_token("test", scopes, user).secret


def record(one: Served, workflow_id: str, user_id: str = "ana") -> None:
    assert one.history.record(made(workflow_id=workflow_id, user_id=user_id)).ok


async def in_thread(one: Served, workflow_id: str, user_id: str = "ana") -> None:
    await one.service.run(lambda: record(one, workflow_id, user_id))


def test_the_present_revision_comes_first_and_then_each_change(one: Served) -> None:
    record(one, "wf-1")
    secret = token(one, "admin")

    async def listen() -> list[str]:
        async with listening(one, secret) as ids:
            found = [await anext(ids)]
            for name in ("wf-2", "wf-3"):
                await in_thread(one, name)
                found.append(await anext(ids))
            return found

    assert one.run(listen()) == ["1", "2", "3"]


def test_an_event_has_the_form_of_the_standard(one: Served) -> None:
    record(one, "wf-1")
    secret = token(one, "admin")

    async def listen() -> list[str]:
        async with Exchange(one.app, "GET", "/api/v1/events", [("Authorization", f"Bearer {secret}")]) as exchange:
            start = await exchange.message()
            assert start is not None
            assert (b"content-type", b"text/event-stream; charset=utf-8") in start["headers"]
            lines = exchange.lines()
            return [await anext(lines) for _ in range(5)]

    assert one.run(listen()) == ["event: revision", 'data: {"revision": 1}', "id: 1", "retry: 2000", ""]


def test_who_comes_back_gets_what_was_missed_at_once(one: Served) -> None:
    for name in ("wf-1", "wf-2"):
        record(one, name)
    secret = token(one, "admin")

    async def listen() -> str:
        async with listening(one, secret, last_event_id="1") as ids:
            return await anext(ids)

    assert one.run(listen()) == "2"


def test_who_missed_nothing_hears_of_the_next_change_only(one: Served) -> None:
    record(one, "wf-1")
    secret = token(one, "admin")

    async def listen() -> str:
        async with listening(one, secret, last_event_id="1") as ids:
            following = asyncio.ensure_future(anext(ids))
            while not one.service.feed.polls():
                await asyncio.sleep(0)
            await in_thread(one, "wf-2")
            return await following

    assert one.run(listen()) == "2"


@pytest.mark.parametrize("last", ["", "x", "-1", "9" * 400, "99"])
def test_a_last_event_that_nobody_sent_is_answered_with_the_present_one(one: Served, last: str) -> None:
    secret = token(one, "admin")

    async def listen() -> str:
        async with listening(one, secret, last_event_id=last) as ids:
            return await anext(ids)

    assert one.run(listen()) == "0"


def test_a_user_hears_of_own_changes_only(one: Served) -> None:
    secret = token(one, "read:own", user="ana")

    async def listen() -> list[str]:
        async with listening(one, secret) as ids:
            first = await anext(ids)
            for _ in range(3):
                await in_thread(one, f"wf-{_}", "ben")
            await in_thread(one, "wf-1", "ana")
            return [first, await anext(ids)]

    assert one.run(listen()) == ["0", "1"]


def test_one_user_of_many_can_be_listened_to(one: Served) -> None:
    record(one, "wf-1", "ben")
    record(one, "wf-2", "ben")
    record(one, "wf-3", "ana")
    secret = token(one, "read:all")

    async def listen() -> str:
        async with listening(one, secret, "?user_id=ben") as ids:
            return await anext(ids)

    assert one.run(listen()) == "2"


@pytest.mark.parametrize(
    ("scopes", "user", "query"),
    [(("write:own",), "ana", ""), (("read:own",), "ana", "?user_id=ben"), (("write:own",), "ana", "?user_id=ana")],
)
def test_who_may_not_read_may_not_listen(one: Served, scopes: tuple[str, ...], user: str, query: str) -> None:
    answer = one.client(*scopes, user=user).get(f"/api/v1/events{query}")

    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_listeners_of_one_scope_share_a_poll(one: Served) -> None:
    secret = token(one, "admin")

    async def listen() -> tuple[int, list[str]]:
        async with listening(one, secret) as first, listening(one, secret) as second:
            await anext(first), await anext(second)
            polls = one.service.feed.polls()
            await in_thread(one, "wf-1")
            return polls, [await anext(first), await anext(second)]

    assert one.run(listen()) == (1, ["1", "1"])
    assert one.service.feed.polls() == 0


def test_a_revoked_token_ends_its_stream(one: Served) -> None:
    made_token = one.history.access.create_token("test", ["admin"])

    async def listen() -> list[str]:
        async with listening(one, made_token.secret) as ids:
            await anext(ids)
            await one.service.run(lambda: one.history.access.revoke(made_token.token.token_id))
            return [each async for each in ids]

    assert one.run(listen()) == []


def test_the_end_of_the_service_ends_every_stream(history: History) -> None:
    config = replace(QUIET, events_check_seconds=3600, poll_seconds=3600)
    with served(history, config) as one:
        secret = token(one, "admin")

        async def listen() -> list[str]:
            async with listening(one, secret) as ids:
                await anext(ids)
                one.service.closing.set()
                return [each async for each in ids]

        assert one.run(listen()) == []


def test_who_goes_away_is_not_polled_for(one: Served) -> None:
    secret = token(one, "admin")

    async def listen() -> None:
        async with listening(one, secret) as ids:
            await anext(ids)

    one.run(listen())

    assert one.service.feed.polls() == 0


class Numbers:
    """A lookup that counts how often it is asked, and answers when it is told to."""

    def __init__(self) -> None:
        self.asked: list[set[str | None]] = []
        self.number = 1
        self.go = asyncio.Event()

    async def __call__(self, scopes: Collection[str | None]) -> dict[str | None, Revision]:
        self.asked.append(set(scopes))
        number = self.number  # what is true when the question is put
        await self.go.wait()
        return {scope: Revision(number, NOW.date(), "UTC") for scope in scopes}


def test_a_revision_is_looked_up_once_for_all_who_wait_for_it() -> None:
    numbers = Numbers()

    async def together() -> set[int]:
        revisions = Revisions(numbers)
        first = asyncio.ensure_future(revisions.of("ana"))
        while not numbers.asked:
            await asyncio.sleep(0)
        waiting = [asyncio.ensure_future(revisions.of(scope)) for scope in ("ana", "ben", None) for _ in range(20)]
        await asyncio.sleep(0)
        numbers.go.set()
        return {revision.number for revision in await asyncio.gather(first, *waiting)}

    assert asyncio.run(together()) == {1}
    assert numbers.asked == [{"ana"}, {"ana", "ben", None}]


def test_a_lookup_that_began_before_does_not_answer_who_came_later() -> None:
    numbers = Numbers()

    async def later() -> tuple[int, int]:
        revisions = Revisions(numbers)
        first = asyncio.ensure_future(revisions.of("ana"))
        while not numbers.asked:
            await asyncio.sleep(0)
        numbers.number = 2
        second = asyncio.ensure_future(revisions.of("ana"))
        await asyncio.sleep(0)
        numbers.go.set()
        return (await first).number, (await second).number

    assert asyncio.run(later()) == (1, 2)


def test_a_lookup_that_fails_fails_for_those_who_waited_and_no_others() -> None:
    class Broken(Numbers):
        async def __call__(self, scopes: Collection[str | None]) -> dict[str | None, Revision]:
            if not self.asked:
                self.asked.append(set(scopes))
                raise ConnectionError("gone")
            return await super().__call__(scopes)

    numbers = Broken()
    numbers.go.set()

    async def twice() -> int:
        revisions = Revisions(numbers)
        with pytest.raises(ConnectionError):
            await revisions.of("ana")
        return (await revisions.of("ana")).number

    assert asyncio.run(twice()) == 1


def test_a_client_that_goes_away_does_not_end_the_question_of_others() -> None:
    numbers = Numbers()

    async def leave() -> int:
        revisions = Revisions(numbers)
        first, second = (asyncio.ensure_future(revisions.of("ana")) for _ in range(2))
        while not numbers.asked:
            await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        numbers.go.set()
        return (await second).number

    assert asyncio.run(leave()) == 1
