"""Completed workflows over HTTP: one, several or a stream of them in; corrected, deleted, read back by their id."""

from __future__ import annotations

import asyncio
import io
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import islice
from json.encoder import encode_basestring as _quoted
from tempfile import SpooledTemporaryFile
from typing import IO, Annotated, cast

from fastapi import APIRouter, Query, Request, Response
from starlette.responses import StreamingResponse

from timestrata.admission import Admitted, admit, read
from timestrata.calendar import day_date
from timestrata.errors import InvalidFact
from timestrata.formats import Entry, unpacked
from timestrata.formats.jsonl import read_jsonl
from timestrata.history import History
from timestrata.ingest import Outcome
from timestrata.recorded import Recorded
from timestrata.web import answers, wire
from timestrata.web.bodies import Name
from timestrata.web.callers import Reads, Writer, Writes
from timestrata.web.documents import COMPLETION_BODY, COMPLETIONS_BODY
from timestrata.web.limits import STREAM_TYPE
from timestrata.web.paths import PathId
from timestrata.web.problems import Problem

router = APIRouter(prefix="/api/v1/time/completions", tags=["completions"])

UserId = Annotated[Name | None, Query(description="Whose it is; default: the user of the token.")]

_BATCH = 1000
_IN_MEMORY = 4 << 20
_NAMES = {"recorded": "recorded", "replayed": "replayed", "conflict": "conflicts", "rejected": "rejected"}
_FOREIGN = "user_id: the token does not allow changing the data of this user"


@router.post("", openapi_extra=COMPLETIONS_BODY, responses={201: {"description": "One was recorded"}})
async def record(request: Request, writer: Writes) -> Response:
    """Record completed workflows: one JSON object, a list of them, or application/x-ndjson (gzip too), one a line.

    One: 201 recorded, 200 replayed, 409 when other content stands under its id, 422 when it cannot be accepted.
    Several: 200 with an outcome for each; those that cannot be recorded do not disturb the others. A stream is
    recorded 1,000 at a time while it arrives; broken off and sent again it counts nothing twice.
    """
    writer.check_any()
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == STREAM_TYPE:
        return await _record_stream(request, writer)
    return await answer(writer, await writer.body())


async def answer(writer: Writer, content: object) -> Response:
    """Record the workflow, or the list of them, that the body of a request holds, and answer it."""
    if isinstance(content, list):
        return await writer.run(lambda history: _record_list(history, writer, content))
    return await _record_one(writer, content)


async def _record_one(writer: Writer, content: object) -> Response:
    fact, notes = read(content)
    writer.check(fact.user_id)
    outcome = (await writer.service.recorder.record(fact)).noted(notes)
    writer.service.metrics.count_outcome(outcome.status)
    if outcome.status == "conflict":
        raise Problem(409, "conflict", str(outcome.reason), revision=outcome.revision)
    return Response(_encoded(outcome), 201 if outcome.status == "recorded" else 200, media_type=wire.MEDIA_TYPE)


def _encoded(outcome: Outcome) -> bytes:
    """Return an outcome as JSON, a recorded one without looking at its fields: a fifth of the time, measured."""
    if outcome.status != "recorded" or outcome.notes or outcome.reason is not None:
        return wire.encode(outcome)
    user, workflow = _quoted(str(outcome.user_id)), _quoted(str(outcome.workflow_id))
    revision = outcome.revision
    return (
        f'{{"status":"recorded","user_id":{user},"workflow_id":{workflow},"revision":{revision},'
        '"reason":null,"notes":[]}'
    ).encode()


def _record_list(history: History, writer: Writer, items: Sequence[object]) -> Response:
    with SpooledTemporaryFile(_IN_MEMORY) as answer:
        tally = _Tally(writer, cast(IO[bytes], answer))
        for start in range(0, len(items), _BATCH):
            tally.record(history, [(None, admit(item)) for item in items[start : start + _BATCH]])
        tally.finish()
        answer.seek(0)
        return Response(answer.read(), media_type=wire.MEDIA_TYPE)


async def _record_stream(request: Request, writer: Writer) -> Response:
    loop = asyncio.get_running_loop()
    answer = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 (closed once it is sent)
    arriving = io.BufferedReader(_Arriving(loop, request.stream()), 1 << 16)

    def work(history: History) -> None:
        lines = unpacked(arriving)  # here and not above: it reads, which waits for the event loop
        tally = _Tally(writer, cast(IO[bytes], answer))
        entries = map(_entered, read_jsonl(lines))
        while batch := list(islice(entries, _BATCH)):
            tally.record(history, batch)
        tally.finish()
        answer.seek(0)

    try:
        # Not one of the service's few threads: somebody who sends slowly would keep it from everybody else.
        await asyncio.to_thread(work, writer.service.history)
    except BaseException:
        answer.close()
        raise
    return StreamingResponse(_sent(cast(IO[bytes], answer)), media_type=wire.MEDIA_TYPE)


def _entered(entry: Entry) -> tuple[int, Admitted | Outcome]:
    if entry.workflow is None:
        return entry.line, Outcome("rejected", None, None, reason=entry.refusal)
    return entry.line, Admitted(entry.workflow, entry.notes)


def _sent(answer: IO[bytes]) -> Iterator[bytes]:
    with answer:
        while chunk := answer.read(1 << 16):
            yield chunk


class _Arriving(io.RawIOBase):
    """The body of a request as a file: a thread reads it while the event loop receives it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, stream: AsyncIterator[bytes]) -> None:
        self._loop = loop
        self._stream = stream
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._rest:
            chunk = asyncio.run_coroutine_threadsafe(self._next(), self._loop).result()
            if chunk is None:
                return 0
            self._rest = chunk
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size

    async def _next(self) -> bytes | None:
        return await anext(self._stream, None)


class _Tally:
    """Records batches and writes the answer as it grows: the outcomes, then how many there were of each kind."""

    def __init__(self, writer: Writer, answer: IO[bytes]) -> None:
        self._writer = writer
        self._answer = answer
        self._counts: Counter[str] = Counter(dict.fromkeys(_NAMES.values(), 0))
        self._separator = b""
        answer.write(b'{"outcomes":[')

    def record(self, history: History, items: Sequence[tuple[int | None, Admitted | Outcome]]) -> None:
        """Record what can be, and write an outcome for each item; the line stands in it where there is one."""
        allowed = [self._allowed(item) for _, item in items]
        written = iter(history.record([item.fact for item in allowed if isinstance(item, Admitted)]))
        outcomes = [next(written).noted(item.notes) if isinstance(item, Admitted) else item for item in allowed]
        self._writer.service.metrics.count_outcomes(outcomes)
        for (line, _), outcome in zip(items, outcomes, strict=True):
            self._write(outcome, line)

    def finish(self) -> None:
        """Close the answer."""
        self._answer.write(b"]," + wire.encode(self._counts)[1:])

    def _allowed(self, item: Admitted | Outcome) -> Admitted | Outcome:
        if isinstance(item, Admitted) and not self._writer.principal.may_write(item.fact.user_id):
            return Outcome("rejected", item.fact.user_id, item.fact.workflow_id, reason=_FOREIGN)
        return item

    def _write(self, outcome: Outcome, line: int | None) -> None:
        self._counts[_NAMES[outcome.status]] += 1
        encoded = wire.encode(outcome)
        if line is not None:
            encoded = encoded[:-1] + f',"line":{line}}}'.encode()
        self._answer.write(self._separator + encoded)
        self._separator = b","


# ------------------------------------------------------------------------------------------------------ by their id


@router.get("/{workflow_id}")
async def completion(workflow_id: PathId, reader: Reads, user_id: UserId = None) -> Response:
    """Return a recorded workflow with its revision, which is also its ETag: PUT and DELETE want it as If-Match."""
    user = reader.user(user_id)
    reader.check(user)
    found: Recorded = await reader.ask(lambda history: history.workflow(user, workflow_id))
    body = {"workflow": found.workflow, "revision": found.revision, "day": day_date(found.filed.day)}
    headers = {"ETag": f'"{found.revision}"', "Cache-Control": answers.CACHE_CONTROL}
    return wire.respond(body, headers=headers)


@router.put("/{workflow_id}", openapi_extra=COMPLETION_BODY)
async def correct(workflow_id: PathId, request: Request, writer: Writes) -> Response:
    """Replace the content of a recorded workflow; the figures become as if the old content had never been."""
    revision = writer.revision()
    fact, notes = read(await writer.body())
    if fact.workflow_id != workflow_id:
        raise InvalidFact("workflow_id", fact.workflow_id, "the id in the path")
    return await writer.answer(
        fact.user_id, lambda history: history.correct(fact, expected_revision=revision).noted(notes)
    )


@router.delete("/{workflow_id}")
async def delete(workflow_id: PathId, writer: Writes, user_id: UserId = None) -> Response:
    """Delete a recorded workflow; the figures become as if it had never been."""
    user, revision = writer.user(user_id), writer.revision()
    return await writer.answer(user, lambda history: history.delete(user, workflow_id, expected_revision=revision))
