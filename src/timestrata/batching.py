"""Group commit: items that come while a transaction is being committed go together into the next one.

Whoever comes first leads: it carries out its own item at once. Who comes meanwhile queues, and when the leader is done,
the first in the queue leads the next batch: its own item and all that wait by then. There is no timer, so one caller
alone waits for nobody. A thread in call() leads by itself; for the items of submit() and enter(), which no thread waits
for, a writer thread does, batch after batch.

A batch that fails is forgotten: each of its items goes its own way, in its own thread, as if it had come alone.
"""

from __future__ import annotations

import os
import weakref
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from threading import Condition, Lock, RLock
from time import sleep
from typing import Any, Generic, TypeVar, cast

Item = TypeVar("Item")
Result = TypeVar("Result")

_LEAST_TO_HALVE = 8
"""Of fewer items a second commit costs more than what can be done during the first."""

_LOOK_SECONDS = 0.00005
"""How long those who take turns are waited for before it is looked whether more have come back. Who only gives up the
interpreter gets it back at once while the others wait for the network, and leads half of them."""

_WRITERS = 8
"""Threads for submit() and enter(): one at a time leads, the others are there for items that are repeated alone."""

Tell = Callable[[Result | None, BaseException | None], None]
"""Takes the result of an item or its error, in whichever thread has it; it returns at once."""


class GroupCommit(Generic[Item, Result]):
    """Carries out the items of many callers together. Threads may share it; in a forked child it is empty.

    `together` carries out a batch in one transaction and returns one result an item, in their order, or raises and
    has done nothing. `alone` carries out one item by all means there are; it is given the error that an attempt at
    this item alone has met already, or None. A batch holds `largest` items at most.
    """

    def __init__(
        self,
        together: Callable[[Sequence[Item]], Sequence[Result]],
        alone: Callable[[Item, Exception | None], Result],
        largest: int = 500,
    ) -> None:
        self._together = together
        self.alone = alone
        self._largest = largest
        self.alternates = False
        """Whether batches take turns: in each is half of all who are waiting or were in the last one.

        For who is told of one batch when the next is about to be committed: then the others can do something meanwhile.
        """
        self.start_empty()
        _groups.add(self)

    def start_empty(self) -> None:
        """Forget everything without telling anybody."""
        self._lock = RLock()  # who cannot be let lead is told so by whoever holds it
        self._queue: deque[_Seat[Item, Result]] = deque()
        self._led = False
        self._last = 0
        """Items of the last batch."""
        self._was_all = False
        """Whether nobody waited any more when the last batch was done."""
        self._open = 0
        """Items that were submitted and not answered yet."""
        self._all_told = Condition(self._lock)
        self._writers = ThreadPoolExecutor(_WRITERS, "timestrata-writer")

    def call(self, item: Item) -> Result:
        """Carry out an item, with others that come at the same time; return its result or raise its error."""
        seat = _Caller(self, item)
        try:
            self._enter(seat)
            answer = seat.wait()
        except BaseException:  # interrupted: nobody may wait for a leader that is gone
            self._leave(seat)
            raise
        return answer()

    def submit(self, item: Item, future: Future[Result] | None = None) -> Future[Result]:
        """Return at once; the Future gets what call() would return or raise. Cancelled in time, nothing is done."""
        promised: Future[Result] = Future() if future is None else future
        self._enter(_Promise(self, item, promised))
        return promised

    def enter(self, item: Item, tell: Tell[Result]) -> None:
        """Return at once; `tell` is told what call() would return or raise. Cheaper than a Future by a third."""
        self._enter(_Letter(self, item, tell))

    @property
    def is_awaited(self) -> bool:
        """Whether somebody waits for the batch after the present one."""
        return bool(self._queue)

    def close(self) -> None:
        """Wait until all that was submitted is answered, and let the writer threads go; the next ones are made anew."""
        with self._lock:
            self._all_told.wait_for(lambda: not self._open)
        writers, self._writers = self._writers, ThreadPoolExecutor(_WRITERS, "timestrata-writer")
        writers.shutdown()

    def start(self, work: Callable[..., None], *arguments: Any) -> None:
        """Let a writer thread do something. Raises RuntimeError when the interpreter is going down."""
        self._writers.submit(work, *arguments)

    def lead(self, seat: _Seat[Item, Result]) -> None:
        """Commit a batch, tell everyone in it, and hand the lead on, whatever happens."""
        try:
            self._lead(seat)
        finally:
            self._step_down(seat)

    def lead_on(self, seat: _Submitted[Item, Result]) -> None:
        """Lead in a writer thread: batch after batch, until a caller is first in the queue or nobody is."""
        following: _Submitted[Item, Result] | None = seat
        while following is not None:
            present = following
            try:
                self._lead(present)
            except BaseException:
                self._step_down(present)
                raise
            following = self._succeed(present)

    def answered(self) -> None:
        """Note that an item that was submitted has its answer."""
        with self._lock:
            self._open -= 1
            if not self._open:
                self._all_told.notify_all()

    def _lead(self, seat: _Seat[Item, Result]) -> None:
        batch = [seat]
        try:
            self._fill(batch)
            self._commit([one for one in batch if one.begin()])
        finally:
            for one in batch:
                one.go_alone(None)  # not heard by those who were told something before

    def _fill(self, batch: list[_Seat[Item, Result]]) -> None:
        """Add those who wait to the leader's own item.

        The callers of the last batch have been told just now. They get to run and to come back as long as some do:
        batches of 64 threads then hold 60 and not 32, and a sixth more is done, measured. One caller alone is not last.
        """
        seen = -1
        most, pause = self._last - 1, 0.0
        if self.alternates and most > 0:
            most, pause = self._largest, _LOOK_SECONDS
        while seen < len(self._queue) < most:
            seen = len(self._queue)
            sleep(pause)
        with self._lock:
            most, here = self._largest, len(batch) + len(self._queue)
            if self.alternates and here >= _LEAST_TO_HALVE:
                # Those of the last batch are told now, unless they are here again: half of all is in each turn.
                most = min(most, (here + (0 if self._was_all else self._last) + 1) // 2)
            while self._queue and len(batch) < most:
                batch.append(self._queue.popleft())
        self._last = len(batch)

    def _commit(self, batch: Sequence[_Seat[Item, Result]]) -> None:
        if not batch:
            return
        try:
            results = self._together([one.item for one in batch])
        except Exception as error:
            if len(batch) == 1:
                batch[0].go_alone(error)
            return  # lead() sends the items of a larger batch their own ways
        finally:
            self._was_all = not self._queue
        for one, result in zip(batch, results, strict=True):
            one.give(result)

    def _enter(self, seat: _Seat[Item, Result]) -> None:
        with self._lock:
            self._open += seat.submitted
            self._queue.append(seat)
            if not self._led:
                self._appoint()

    def _leave(self, seat: _Seat[Item, Result]) -> None:
        with self._lock:
            if seat in self._queue:
                self._queue.remove(seat)
        self._step_down(seat)

    def _step_down(self, seat: _Seat[Item, Result]) -> None:
        with self._lock:
            if seat.leads:
                self._led = seat.leads = False
                self._appoint()

    def _succeed(self, seat: _Submitted[Item, Result]) -> _Submitted[Item, Result] | None:
        """Step down, but return the first in the queue when it is to be led by a writer thread, as this is one."""
        with self._lock:
            following = self._queue[0] if self._queue else None
            if isinstance(following, _Submitted):
                self._queue.popleft()
                seat.leads, following.leads = False, True
                return following
        self._step_down(seat)
        return None

    def _appoint(self) -> None:
        """Let the first in the queue lead, when nobody does. The lock must be held."""
        while self._queue and not self._led:
            first = self._queue.popleft()
            self._led = first.leads = True
            if not first.take_lead():
                self._led = first.leads = False


class _Seat(ABC, Generic[Item, Result]):
    """An item on its way, and how its caller is told. The first answer counts, others are not heard."""

    submitted = False
    """Whether no thread waits for it."""

    def __init__(self, group: GroupCommit[Item, Result], item: Item) -> None:
        self.group = group
        self.item = item
        self.leads = False
        """Set and cleared by the group."""

    def begin(self) -> bool:
        """Tell whether the item is still wanted; if so, it is carried out now."""
        return True

    @abstractmethod
    def take_lead(self) -> bool:
        """Have group.lead() called in a thread of the seat's own; tell whether it is going to be."""

    @abstractmethod
    def give(self, result: Result) -> None:
        """Answer with a result."""

    @abstractmethod
    def go_alone(self, met: Exception | None) -> None:
        """Answer with what group.alone() has to say, called in a thread of the seat's own."""


class _Caller(_Seat[Item, Result]):
    """A thread in call()."""

    def __init__(self, group: GroupCommit[Item, Result], item: Item) -> None:
        super().__init__(group, item)
        self._answer: Callable[[], Result] | None = None
        self._bell = Lock()  # an Event would cost four times as much
        self._bell.acquire()

    def wait(self) -> Callable[[], Result]:
        """Lead when it is our turn; return what to call for the answer, once there is one."""
        self._bell.acquire()
        if self.leads:
            self.group.lead(self)
        assert self._answer is not None
        return self._answer

    def take_lead(self) -> bool:
        self._bell.release()
        return True

    def give(self, result: Result) -> None:
        self._tell(lambda: result)

    def go_alone(self, met: Exception | None) -> None:
        self._tell(partial(self.group.alone, self.item, met))

    def _tell(self, answer: Callable[[], Result]) -> None:
        if self._answer is None:
            self._answer = answer
            if not self.leads:  # who leads is awake
                self._bell.release()


class _Submitted(_Seat[Item, Result]):
    """An item that no thread waits for: a writer thread does what has to be done."""

    submitted = True

    def __init__(self, group: GroupCommit[Item, Result], item: Item) -> None:
        super().__init__(group, item)
        self._told = False

    @abstractmethod
    def tell(self, result: Result | None, error: BaseException | None) -> None:
        """Answer with a result or an error."""

    def take_lead(self) -> bool:
        return self._start(self.group.lead_on, self)

    def give(self, result: Result) -> None:
        if not self._told:
            self._tell(result, None)

    def go_alone(self, met: Exception | None) -> None:
        if not self._told:
            self._told = True
            self._start(self._finish, met)

    def _finish(self, met: Exception | None) -> None:
        try:
            result = self.group.alone(self.item, met)
        except BaseException as error:
            self._tell(None, error)
        else:
            self._tell(result, None)

    def _start(self, work: Callable[..., None], *arguments: Any) -> bool:
        try:
            self.group.start(work, *arguments)
        except RuntimeError as error:  # the interpreter is going down
            self._tell(None, error)
            return False
        return True

    def _tell(self, result: Result | None, error: BaseException | None) -> None:
        self._told = True
        try:
            self.tell(result, error)
        finally:
            self.group.answered()


class _Promise(_Submitted[Item, Result]):
    """A Future that submit() returned."""

    def __init__(self, group: GroupCommit[Item, Result], item: Item, future: Future[Result]) -> None:
        super().__init__(group, item)
        self._future = future

    def begin(self) -> bool:
        if not self._future.set_running_or_notify_cancel():
            self._told = True
            self.group.answered()
        return not self._told

    def tell(self, result: Result | None, error: BaseException | None) -> None:
        if error is not None:
            self._future.set_exception(error)
        else:
            self._future.set_result(cast(Result, result))


class _Letter(_Submitted[Item, Result]):
    """An item of enter()."""

    def __init__(self, group: GroupCommit[Item, Result], item: Item, tell: Tell[Result]) -> None:
        super().__init__(group, item)
        self._to = tell

    def tell(self, result: Result | None, error: BaseException | None) -> None:
        self._to(result, error)


_groups: weakref.WeakSet[GroupCommit[Any, Any]] = weakref.WeakSet()


def _start_empty_in_child() -> None:
    for group in _groups:
        group.start_empty()


if hasattr(os, "register_at_fork"):  # a child has the locks as they stood, and none of the threads that hold them
    os.register_at_fork(after_in_child=_start_empty_in_child)
