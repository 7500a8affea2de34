"""The layers of the source: imports point one way, and each kind of trouble lives in one place."""

import ast
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "timestrata"

LAYERS = [
    "errors",
    "keeping",
    "shares",
    "calendar",
    "facts",
    "trends",
    "measures",
    "answers",
    "live",
    "tracked",
    "formats",
    "archive",
    "schema",
    "dialects",
    "migrations",
    "dimensions",
    "packed",
    "recorded",
    "stored",
    "ingest",
    "admission",
    "sums",
    "reports",
    "lists",
    "series",
    "aggregations",
    "overview",
    "settings",
    "access",
    "tracking",
    "proofs",
    "manifest",
    "retention",
    "audit",
    "batching",
    "jobs",
    "housekeeping",
    "history",
    "backup",
    "demo",
    "client",
    "wording",
    "charts",
    "report",
    "web",
    "cli",
    "__main__",
    "__init__",
]
"""A module imports only from those before it; the modules of one package import each other freely."""

STANDARD_LIBRARY_ONLY = LAYERS[: LAYERS.index("tracked") + 1]
ALONE = ["trends"]
"""These import nothing of ours."""

ONLY_IN: dict[str, list[str]] = {
    "sqlalchemy": LAYERS[LAYERS.index("schema") :],
    "alembic": ["migrations"],
    "croniter": ["jobs"],
    "fsspec": ["archive"],
    "pyarrow": ["archive"],
    "typer": ["cli"],
    "rich": ["cli"],
    "fastapi": ["web"],
    "starlette": ["web"],
    "uvicorn": ["web"],
    "limits": ["web"],
    "prometheus_client": ["web"],
    "structlog": ["web"],
    "httpx2": ["client"],
    "altair": ["charts"],
    "vl_convert": ["charts"],
    "typst": ["report"],
    "jinja2": ["report", "web"],
    "babel": ["wording", "report", "web"],
}
"""By third-party package, the layers that may import it."""

DIALECT_TESTS = ["dialects", "migrations"]
CLOCKS = ["history", "cli", "demo", "client", "web"]
"""Where the present may be asked for; everything else gets it as an argument."""

PRESENT = {
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("datetime", "today"),
    ("date", "today"),
    ("time", "time"),
    ("time", "time_ns"),
}

Rule = Callable[[str, ast.Module], Iterator[str]]


def layer_of(path: Path) -> str:
    """Return the layer of a source file: the name of the module, or of the package it is in."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported(layer: str, tree: ast.Module) -> Iterator[str]:
    """Yield the dotted name of everything a module imports, ours from the top as timestrata.LAYER."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:  # `from .rows import Row` in a package, `from . import rows` at the top or in a package
                module = ".".join(part for part in ("timestrata", _relative(layer, node.level), module) if part)
            if module == "timestrata":
                yield from (f"timestrata.{alias.name}" for alias in node.names)
            else:
                yield module


def _relative(layer: str, level: int) -> str:
    return layer if level == 1 and (SOURCE / layer).is_dir() else ""


def layers_imported(layer: str, tree: ast.Module) -> Iterator[str]:
    """Yield the layers a module imports from; a name that is no layer comes from the package itself."""
    for name in imported(layer, tree):
        first, *rest = name.split(".")
        if first == "timestrata":
            yield rest[0] if rest and rest[0] in LAYERS else "__init__"


def packages_imported(layer: str, tree: ast.Module) -> Iterator[str]:
    """Yield the top-level packages a module imports."""
    return (name.split(".")[0] for name in imported(layer, tree))


def later_layers(layer: str, tree: ast.Module) -> Iterator[str]:
    """Yield the imports that do not point to an earlier layer."""
    for other in layers_imported(layer, tree):
        if other != layer and LAYERS.index(other) > LAYERS.index(layer):
            yield f"imports {other}, a later layer"
        elif layer in ALONE:
            yield f"imports {other}, but is to stand alone"


def misplaced_packages(layer: str, tree: ast.Module) -> Iterator[str]:
    """Yield the third-party imports that belong elsewhere."""
    for package in packages_imported(layer, tree):
        if layer not in ONLY_IN.get(package, [layer]):
            yield f"imports {package}, which is for {ONLY_IN[package]}"
        elif layer in STANDARD_LIBRARY_ONLY and package not in {*sys.stdlib_module_names, "timestrata"}:
            yield f"imports {package}, but is to do with the standard library"


def misplaced_dialect_tests(layer: str, tree: ast.Module) -> Iterator[str]:
    """Yield where a module looks at the name of a dialect."""
    if layer not in DIALECT_TESTS:
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr == "name" and _last_name(node.value) == "dialect":
                yield f"looks at dialect.name in line {node.lineno}"


def misplaced_clocks(layer: str, tree: ast.Module) -> Iterator[str]:
    """Yield where a module asks for the present."""
    if layer not in CLOCKS:
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and (_last_name(node.value), node.attr) in PRESENT:
                yield f"asks for the present in line {node.lineno}"


def _last_name(node: ast.expr) -> str | None:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


RULES: list[Rule] = [later_layers, misplaced_packages, misplaced_dialect_tests, misplaced_clocks]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_module_keeps_the_rule(rule: Rule) -> None:
    files = sorted(SOURCE.rglob("*.py"))

    broken = [
        f"{path.relative_to(SOURCE)} {what}"
        for path in files
        if layer_of(path) in LAYERS
        for what in rule(layer_of(path), ast.parse(path.read_text(encoding="utf-8")))
    ]

    assert files
    assert broken == []


def test_every_module_has_a_layer() -> None:
    layers = {layer_of(path) for path in SOURCE.rglob("*.py")}

    assert layers - set(LAYERS) == set()


def test_the_oracle_knows_no_more_than_the_shape_of_a_fact() -> None:
    oracle = ast.parse(Path(__file__).with_name("oracle.py").read_text(encoding="utf-8"))

    assert {name for name in imported("oracle", oracle) if name.startswith("timestrata")} == {"timestrata.facts"}


@pytest.mark.parametrize(
    ("rule", "layer", "source"),
    [
        (later_layers, "calendar", "from timestrata.facts import Pause"),
        (later_layers, "calendar", "from timestrata import errors, facts"),
        (later_layers, "calendar", "import timestrata.facts"),
        (later_layers, "calendar", "from .facts import Pause"),
        (later_layers, "calendar", "def f():\n    from timestrata.facts import Pause"),
        (later_layers, "formats", "from timestrata.history import History"),
        (later_layers, "history", "from timestrata import History"),
        (later_layers, "history", "import timestrata"),
        (later_layers, "trends", "from timestrata.errors import InvalidFact"),
        (misplaced_packages, "measures", "from sqlalchemy import select"),
        (misplaced_packages, "formats", "import sqlalchemy.exc"),
        (misplaced_packages, "measures", "import numpy"),
        (misplaced_packages, "history", "import typer"),
        (misplaced_packages, "demo", "from rich.table import Table"),
        (misplaced_packages, "dialects", "from alembic import op"),
        (misplaced_dialect_tests, "ingest", "if engine.dialect.name == 'sqlite': pass"),
        (misplaced_dialect_tests, "ingest", "name = dialect.name"),
        (misplaced_clocks, "ingest", "now = datetime.now(UTC)"),
        (misplaced_clocks, "ingest", "import datetime\nnow = datetime.datetime.now()"),
        (misplaced_clocks, "reports", "today = date.today()"),
        (misplaced_clocks, "reports", "started = time.time()"),
        (misplaced_clocks, "reports", "clock = datetime.now"),
    ],
)
def test_what_breaks_a_rule_is_found(rule: Rule, layer: str, source: str) -> None:
    assert len(list(rule(layer, ast.parse(source)))) == 1


@pytest.mark.parametrize(
    ("layer", "source"),
    [
        ("measures", "from timestrata.calendar import instant\nfrom timestrata import errors, facts\nimport json"),
        ("formats", "from timestrata.formats.rows import Row\nfrom .columns import Columns"),
        ("ingest", "from sqlalchemy import select\nfrom timestrata import schema\nname = column.name"),
        ("cli", "import typer\nfrom rich.table import Table\nnow = datetime.now(UTC)"),
        ("history", "from time import sleep\nclock = lambda: datetime.now(UTC)"),
        ("migrations", "name = op.get_bind().dialect.name"),
        ("__init__", "from timestrata.history import open_history"),
    ],
)
def test_what_keeps_the_rules_is_let_through(layer: str, source: str) -> None:
    assert [what for rule in RULES for what in rule(layer, ast.parse(source))] == []
