"""The commands about workflow templates: put, list, show."""

from __future__ import annotations

from typing import Annotated

import typer

from timestrata.cli import output, screen, work_tables
from timestrata.cli.machine import place
from timestrata.cli.moments import read_duration
from timestrata.cli.options import AsJson, Database, Server, Token
from timestrata.errors import InvalidRequest
from timestrata.tracked import TemplateStep

Name = Annotated[str, typer.Argument(metavar="NAME", help="The template's name.")]


def put(
    context: typer.Context,
    template: Name,
    ticket_type: Annotated[str, typer.Option("--type", metavar="NAME", help="The type of the tickets it is for.")],
    steps: Annotated[
        list[str],
        typer.Option(
            "--step",
            metavar="NAME[=TIME]",
            help='A step, in order, with its estimate where it has one: --step "Analyse=20min" --step Report.',
        ),
    ],
    estimate: Annotated[
        str | None,
        typer.Option("--estimate", metavar="TIME", help="For the whole (default: the sum, where each step has one)."),
    ] = None,
    database: Database = None,
    server: Server = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Put a template, or a new version of it; workflows that were started keep theirs."""
    read = [_step(text) for text in steps]
    seconds = None if estimate is None else read_duration("--estimate", estimate)
    with place(context, database, server, token, to="create") as here:
        found = here.tracking.put_template(template, ticket_type, read, estimated_seconds=seconds)
    if as_json:
        output.write_json(found)
    else:
        screen.show(*work_tables.template(found))


def _step(text: str) -> TemplateStep:
    """Return the step that an option describes; what is behind the last "=" is its estimate."""
    name, separator, estimate = text.rpartition("=")
    if not separator:
        return TemplateStep(text)
    try:
        return TemplateStep(name, read_duration("--step", estimate))
    except InvalidRequest as error:
        raise InvalidRequest("--step", text, f'{error.wanted} behind the last "="; "0s" is none') from error


def list_(
    context: typer.Context,
    database: Database = None,
    server: Server = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List the templates, each in its latest version."""
    with place(context, database, server, token, to="read") as here:
        found = here.tracking.templates()
    if as_json:
        output.write_json(found)
    elif found:
        screen.show(work_tables.templates(found))
    else:
        screen.show("There is no template: `timestrata template put NAME --type TYPE --step NAME` makes one.")


def show(
    context: typer.Context,
    template: Name,
    version: Annotated[
        int | None, typer.Option("--version", min=1, metavar="N", help="Another version (default: the latest).")
    ] = None,
    database: Database = None,
    server: Server = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Show the steps of a template."""
    with place(context, database, server, token, to="read") as here:
        found = here.tracking.template(template, version)
    if as_json:
        output.write_json(found)
    else:
        screen.show(*work_tables.template(found))
