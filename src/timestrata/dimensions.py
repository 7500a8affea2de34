"""Names interned to small integers: users, ticket types, templates and steps. They are never renumbered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Table, func, select, text

from timestrata import schema
from timestrata.facts import CompletedWorkflow
from timestrata.measures import Labels

StepName = tuple[int, int, str]
"""(template id, index, name)."""

_MOST_LOADED = 100_000
_CHUNK = 500  # names a SELECT ... IN (...), far below every limit on bound parameters


class Dimensions:
    """The ids of names, kept in memory once they are read. Threads may share one."""

    def __init__(self) -> None:
        self.users: dict[str, int] = {}
        self.ticket_types: dict[str, int] = {}
        self.templates: dict[str, int] = {}
        self.steps: dict[StepName, int] = {}
        self.zones: dict[int, str] = {}
        """The zone that a user had when last looked at ("": none); it may have changed since."""

    def load(self, connection: Connection) -> None:
        """Remember the names there are, so that a process does not ask for them one by one; a great many are not."""
        for table, known in (
            (schema.user, self.users),
            (schema.ticket_type, self.ticket_types),
            (schema.template, self.templates),
        ):
            rows = connection.execute(select(table.c.name, table.columns[0]).limit(_MOST_LOADED))
            known.update((name, number) for name, number in rows)
        c = schema.step.c
        steps = connection.execute(select(c.template_id, c.step_index, c.name, c.step_id).limit(_MOST_LOADED))
        self.steps.update(((template_id, index, name), number) for template_id, index, name, number in steps)
        states = schema.user_state.c
        zones = connection.execute(select(states.user_id, states.timezone).limit(_MOST_LOADED))
        self.zones.update((user_id, timezone or "") for user_id, timezone in zones)

    def forget(self) -> None:
        """Forget everything, because an id may be gone."""
        for known in (self.users, self.ticket_types, self.templates, self.steps, self.zones):
            known.clear()

    def adopt(self, other: Dimensions) -> None:
        """Remember what another one interned, once that is committed."""
        self.users.update(other.users)
        self.ticket_types.update(other.ticket_types)
        self.templates.update(other.templates)
        self.steps.update(other.steps)

    def labels(self, workflows: Iterable[CompletedWorkflow]) -> list[Labels]:
        """Return the ids of the workflows' names. Raises KeyError when one of them is not in memory."""
        users, ticket_types, templates, steps = self.users, self.ticket_types, self.templates, self.steps
        return [
            Labels(
                users[one.user_id],
                ticket_types[one.ticket_type],
                template := templates[one.template],
                tuple([steps[template, step.index, step.name] for step in one.steps]),
            )
            for one in workflows
        ]

    def intern(self, connection: Connection, workflows: Sequence[CompletedWorkflow], users: Iterable[str] = ()) -> None:
        """Give every name of the workflows, and of further users, an id and remember it.

        The connection's transaction must be one of its own that is committed next, or the memory must be thrown away
        with it: an id that is rolled back must not be used again.
        """
        if new := self.recall(connection, workflows, users):
            connection.execute(
                text("INSERT INTO ts_user_state (user_id, seq) VALUES (:user_id, 0) ON CONFLICT DO NOTHING"),
                [{"user_id": user_id} for user_id in sorted(new)],
            )

    def recall(
        self, connection: Connection, workflows: Sequence[CompletedWorkflow], users: Iterable[str] = ()
    ) -> list[int]:
        """Remember the ids of names that have one already: then this only reads. Return the users that were not known.

        A name that has none gets one, as by intern().
        """
        people = [*users, *(one.user_id for one in workflows)]
        new = self._intern_names(connection, schema.user, self.users, people)
        self._intern_names(connection, schema.ticket_type, self.ticket_types, (one.ticket_type for one in workflows))
        self._intern_names(connection, schema.template, self.templates, (one.template for one in workflows))
        self._intern_steps(
            connection, ((one.template, step.index, step.name) for one in workflows for step in one.steps)
        )
        return new

    def intern_template(self, connection: Connection, ticket_type: str, template: str, steps: Sequence[str]) -> None:
        """Give every name of a template an id and remember it, as intern() does; a step's index is its place."""
        self._intern_names(connection, schema.ticket_type, self.ticket_types, [ticket_type])
        self._intern_names(connection, schema.template, self.templates, [template])
        self._intern_steps(connection, ((template, index, name) for index, name in enumerate(steps)))

    def _intern_names(
        self, connection: Connection, table: Table, known: dict[str, int], names: Iterable[str]
    ) -> list[int]:
        """Intern plain names; return the ids that were not in memory before."""
        wanted = sorted({name for name in names if name not in known})
        ids = table.columns[0]

        def read() -> dict[str, int]:
            rows: dict[str, int] = {}
            for start in range(0, len(wanted), _CHUNK):
                chunk = wanted[start : start + _CHUNK]
                found = connection.execute(select(table.c.name, ids).where(table.c.name.in_(chunk)))
                rows.update((name, number) for name, number in found)
            return rows

        rows = read()
        while missing := [name for name in wanted if name not in rows]:
            _insert_missing(connection, table, [{"name": name} for name in missing])
            rows = read()
        known.update(rows)
        return list(rows.values())

    def _intern_steps(self, connection: Connection, steps: Iterable[tuple[str, int, str]]) -> None:
        keys = {(self.templates[template], index, name) for template, index, name in steps}
        wanted = sorted(key for key in keys if key not in self.steps)
        templates = sorted({key[0] for key in wanted})
        c = schema.step.c

        def read() -> dict[StepName, int]:
            found = connection.execute(
                select(c.template_id, c.step_index, c.name, c.step_id).where(c.template_id.in_(templates))
            )
            return {(template_id, index, name): number for template_id, index, name, number in found}

        rows = read() if wanted else {}
        while missing := [key for key in wanted if key not in rows]:
            named = ("template_id", "step_index", "name")
            _insert_missing(connection, schema.step, [dict(zip(named, key, strict=True)) for key in missing])
            rows = read()
        self.steps.update(rows)


class Names:
    """The names of ids, read when they are first asked for: the way back from Dimensions."""

    def __init__(self) -> None:
        self.users: dict[int, str] = {}
        self.ticket_types: dict[int, str] = {}
        self.templates: dict[int, str] = {}
        self.steps: dict[int, tuple[int, str]] = {}
        """The index and name of each step."""

    def learn(
        self,
        connection: Connection,
        users: Iterable[int] = (),
        ticket_types: Iterable[int] = (),
        templates: Iterable[int] = (),
        steps: Iterable[int] = (),
    ) -> None:
        """Read the names of those ids that are not known yet."""
        for table, known, ids in (
            (schema.user, self.users, users),
            (schema.ticket_type, self.ticket_types, ticket_types),
            (schema.template, self.templates, templates),
        ):
            number = table.columns[0]
            for chunk in _chunks(set(ids) - known.keys()):
                found = connection.execute(select(number, table.c.name).where(number.in_(chunk)))
                known.update((one, name) for one, name in found)
        c = schema.step.c
        for chunk in _chunks(set(steps) - self.steps.keys()):
            rows = connection.execute(select(c.step_id, c.step_index, c.name).where(c.step_id.in_(chunk)))
            self.steps.update((one, (index, name)) for one, index, name in rows)


def _chunks(ids: Iterable[int]) -> Iterator[list[int]]:
    wanted = sorted(ids)
    return (wanted[start : start + _CHUNK] for start in range(0, len(wanted), _CHUNK))


def _insert_missing(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    """Insert rows under the next free ids.

    No serial: a distributed database has none for a shared table. When another process takes an id or a name first,
    its row stays and ours is left out; the caller reads again and asks once more for what is still missing.
    """
    ids = table.columns[0]
    last = connection.execute(select(func.coalesce(func.max(ids), 0))).scalar_one()
    names = ", ".join([ids.name, *rows[0]])
    values = ", ".join(f":{name}" for name in [ids.name, *rows[0]])
    connection.execute(
        text(f"INSERT INTO {table.name} ({names}) VALUES ({values}) ON CONFLICT DO NOTHING"),
        [{ids.name: last + position, **row} for position, row in enumerate(rows, 1)],
    )
