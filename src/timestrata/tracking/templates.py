"""The rows of workflow templates."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, Row, and_, select, text

from timestrata import schema
from timestrata.calendar import instant, moment
from timestrata.tracked import Template, TemplateStep


def template_rows(*order: Any) -> Any:
    c = schema.template_version.c
    return (
        select(schema.template.c.name, schema.ticket_type.c.name.label("ticket_type"), schema.template_version)
        .join(schema.template, schema.template.c.template_id == c.template_id)
        .join(schema.ticket_type, schema.ticket_type.c.ticket_type_id == c.ticket_type_id)
        .order_by(*(order or (schema.template.c.name, c.version)))
    )


def find_template(connection: Connection, name: str, version: int | None = None) -> Template | None:
    """Return a template in a version, the latest for None; None when there is none."""
    c = schema.template_version.c
    rows = template_rows(c.version.desc()).where(schema.template.c.name == name).limit(1)
    if version is not None:
        # No number that a column does not hold: one database finds nothing, the other raises.
        rows = rows.where(c.version == (version if type(version) is int and 0 < version < 2**31 else 0))
    found = connection.execute(rows).one_or_none()
    return None if found is None else as_template(found)


def insert_version(connection: Connection, template: Template, template_id: int, ticket_type_id: int) -> bool:
    """Insert a version of a template; False when somebody else was faster."""
    row = {
        "template_id": template_id,
        "version": template.version,
        "ticket_type_id": ticket_type_id,
        "estimated_seconds": template.estimated_seconds,
        "steps": json.dumps([[step.name, step.estimated_seconds] for step in template.steps]),
        "created_at": instant(template.created_at),
    }
    names, values = ", ".join(row), ", ".join(f":{name}" for name in row)
    statement = f"INSERT INTO {schema.template_version.name} ({names}) VALUES ({values}) ON CONFLICT DO NOTHING"
    return connection.execute(text(statement), row).rowcount == 1


def as_template(row: Row[Any]) -> Template:
    steps = tuple(TemplateStep(name, estimate) for name, estimate in json.loads(row.steps))
    return Template(row.name, row.version, row.ticket_type, steps, row.estimated_seconds, moment(row.created_at))


def ids_of(connection: Connection, template: Template) -> tuple[int, int]:
    """Return the ids of a template's ticket type and of itself."""
    c = schema.template_version.c
    named = and_(schema.template.c.name == template.name, c.version == template.version)
    rows = select(c.ticket_type_id, c.template_id).join(schema.template, schema.template.c.template_id == c.template_id)
    row = connection.execute(rows.where(named)).one()
    return row.ticket_type_id, row.template_id
