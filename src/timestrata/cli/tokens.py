"""The commands about access: token create, list, revoke."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated

import typer

from timestrata.access import SCOPES, Token
from timestrata.cli import output, screen
from timestrata.cli.database import open_or_create, open_to_change, open_to_read
from timestrata.cli.options import AsJson, Database, chosen_day
from timestrata.cli.wording import NOTHING, name
from timestrata.errors import InvalidRequest

_LIFETIME = re.compile(r"([1-9][0-9]{0,4})([hdwy])")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1), "y": timedelta(days=365)}


def create(
    token_name: Annotated[str, typer.Argument(metavar="NAME", help="What it is for, as in 'laptop of ana'.")],
    scope: Annotated[list[str], typer.Option("--scope", metavar="SCOPE", help=f"{', '.join(SCOPES)}; repeatable.")],
    user: Annotated[str | None, typer.Option("--user", metavar="ID", help="The user that it acts for.")] = None,
    expires: Annotated[
        str | None,
        typer.Option("--expires", metavar="WHEN", help="After 12h, 90d, 8w, 1y, or on a day, YYYY-MM-DD (UTC)."),
    ] = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Make a token for the HTTP service. Its secret is shown once, and only its hash is kept."""
    ends = None if expires is None else _ending(expires)
    with open_or_create(database) as history:
        made = history.access.create_token(token_name, scope, user, ends)
    if as_json:
        output.write_json({**_document(made.token), "secret": made.secret})
        return
    screen.show(made.secret)
    ends_at = f"until {_time(made.token.expires_at)}" if made.token.expires_at else "until it is revoked"
    who = f" for the user {name(user)}" if user is not None else ""
    screen.note(f"token {made.token.token_id} ({', '.join(made.token.scopes)}){who} is valid {ends_at}.")
    screen.note("Keep it now: it is not shown again. Send it as `Authorization: Bearer TOKEN`.")


def list_(database: Database = None, as_json: AsJson = False) -> None:
    """Show every token, never its secret."""
    with open_to_read(database) as history:
        tokens = history.access.tokens()
    if as_json:
        output.write_json([_document(token) for token in tokens])
    elif not tokens:
        screen.show("There are no tokens: `timestrata token create NAME --scope SCOPE` makes one.")
    else:
        screen.show(screen.table(_COLUMNS, [_cells(token) for token in tokens]))


_COLUMNS: tuple[screen.Column, ...] = (
    ("Token", "whole"),
    ("Name", "left"),
    ("User", "left"),
    ("Scopes", "left"),
    ("Created", "whole"),
    ("Expires", "whole"),
    ("State", "whole"),
)


def _cells(token: Token) -> tuple[str, ...]:
    user = NOTHING if token.user is None else name(token.user)
    created, expires = _time(token.created_at), _time(token.expires_at)
    return token.token_id, name(token.name), user, " ".join(token.scopes), created, expires, token.state


def revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="The token's id, as `token list` shows it.")],
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """End a token now, or within a second where a server has just asked about it."""
    with open_to_change(database) as history:
        token = history.access.revoke(token_id)
    if as_json:
        output.write_json(_document(token))
    else:
        screen.show(f"token {token.token_id} ({name(token.name)}) is revoked since {_time(token.revoked_at)}")


def _ending(text: str) -> datetime | timedelta:
    found = _LIFETIME.fullmatch(text)
    if found is not None:
        return int(found[1]) * _UNITS[found[2]]
    try:
        day = chosen_day("--expires", text)
        return datetime.fromisoformat(f"{day}T00:00:00+00:00")
    except InvalidRequest as error:
        raise InvalidRequest("--expires", text, "a time such as 12h, 90d, 8w or 1y, or a day as YYYY-MM-DD") from error


def _document(token: Token) -> dict[str, object]:
    return {
        "token_id": token.token_id,
        "name": token.name,
        "user": token.user,
        "scopes": list(token.scopes),
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "revoked_at": token.revoked_at,
        "state": token.state,
    }


def _time(at: datetime | None) -> str:
    return NOTHING if at is None else at.strftime("%Y-%m-%d %H:%M UTC")
