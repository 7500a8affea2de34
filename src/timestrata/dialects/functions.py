"""SQL functions that the databases spell differently, for questions that are put to all of them alike."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction


class json_list(GenericFunction[Any]):
    """The values of a column in a group as a list; two lists of one group have the same order."""

    type = JSON()
    inherit_cache = True


@compiles(json_list, "sqlite")
def _on_sqlite(element: json_list, compiler: Any, **kw: Any) -> str:
    return f"json_group_array({compiler.process(element.clauses, **kw)})"


@compiles(json_list, "postgresql")
def _on_postgresql(element: json_list, compiler: Any, **kw: Any) -> str:
    return f"json_agg({compiler.process(element.clauses, **kw)})"
