"""Templates: where they are, and what every one of them can name."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from timestrata.web.dashboard import assets
from timestrata.web.dashboard.period import shown, typed
from timestrata.wording import common


@cache
def environment() -> Environment:
    """Return the templates. Everything is escaped; a name that nobody gave is an error and not an empty place."""
    made = Environment(
        loader=PackageLoader("timestrata.web.dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(c=common, asset=assets.path, shown=shown, typed=typed)
    made.filters["coded"] = coded
    return made


def coded(text: str) -> Markup:
    """Return a text in which what stands between backticks is code."""
    parts = [escape(part) for part in text.split("`")]
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else part for place, part in enumerate(parts)
    )


def rendered(template: str, **names: Any) -> str:
    """Return a template with its names filled in. `view.words` of the view writes figures and days."""
    view = names.get("view")
    if view is not None:
        names = {"w": view.words, **names}
    return environment().get_template(template).render(**names)
