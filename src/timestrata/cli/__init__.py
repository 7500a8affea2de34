"""The command line: parse, call the library, print."""

from __future__ import annotations

import sys
from io import TextIOWrapper
from typing import Any

import typer
from typer.core import TyperGroup

from timestrata.cli import (
    audit,
    backups,
    chart,
    corrections,
    demonstration,
    exports,
    forgotten,
    imports,
    jobs,
    lists,
    log,
    questions,
    report,
    retention,
    serving,
    status,
    stores,
    templates,
    tokens,
    work,
)
from timestrata.cli.failures import EXIT_CODES, reported

__all__ = ["app", "main"]


class _Commands(TyperGroup):
    """The commands, in the order of their use; their errors become messages and exit codes."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(super().list_commands(ctx), key=_ORDER.index)

    def invoke(self, ctx: Any) -> Any:
        with reported():
            return super().invoke(ctx)


_ORDER = (
    "demo", "init", "template", "start", "status", "pause", "resume", "next", "complete", "cancel", "log", "forgotten",
    "import", "export", "summary", "trend", "daily", "steps", "averages", "alerts", "workflows",
    "chart", "report",
    "correct", "delete", "timezone", "retention", "archive", "verify",
    "rebuild", "backup", "restore", "erase", "jobs", "serve", "token", "version",
)  # fmt: skip

app = typer.Typer(
    name="timestrata",
    cls=_Commands,
    help="A time-history store for step-based work on tickets: exact, provable aggregates on SQLite and PostgreSQL.",
    epilog="Exit codes: " + "; ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items()) + ".",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.callback()(stores.common)
app.command("start")(work.start)
app.command("status")(status.status)
app.command("pause")(work.pause)
app.command("resume")(work.resume)
app.command("next")(work.next_)
app.command("complete")(work.complete)
app.command("cancel")(work.cancel)
app.command("log")(log.log)
_forgotten = typer.Typer(invoke_without_command=True, callback=forgotten.forgotten)
_forgotten.command("confirm")(forgotten.confirm)
_forgotten.command("correct")(forgotten.correct)
app.add_typer(_forgotten, name="forgotten")
_templates = typer.Typer(no_args_is_help=True, help="The templates of workflows: put, list, show.")
_templates.command("put")(templates.put)
_templates.command("list")(templates.list_)
_templates.command("show")(templates.show)
app.add_typer(_templates, name="template")
app.command("init")(stores.init)
app.command("import")(imports.import_)
app.command("export")(exports.export)
app.command("summary")(questions.summary)
app.command("trend")(questions.trend)
app.command("daily")(questions.daily)
app.command("steps")(questions.steps)
app.command("averages")(questions.averages)
_alerts = typer.Typer(invoke_without_command=True, callback=lists.alerts)
_alerts.command("dismiss")(lists.dismiss)
_alerts.command("restore")(lists.restore)
app.add_typer(_alerts, name="alerts")
app.command("workflows")(lists.workflows)
app.command("chart")(chart.chart)
app.command("report")(report.report)
app.command("correct")(corrections.correct)
app.command("delete")(corrections.delete)
app.command("timezone")(corrections.timezone)
_retention = typer.Typer(no_args_is_help=True, help="Old facts: archive them and purge them from the database.")
_retention.command("run")(retention.run)
app.add_typer(_retention, name="retention")
_archive = typer.Typer(no_args_is_help=True, help="The archive of old facts: list, verify, sql, restore.")
_archive.command("list")(retention.list_)
_archive.command("verify")(retention.verify)
_archive.command("sql")(retention.sql)
_archive.command("restore")(retention.restore)
app.add_typer(_archive, name="archive")
app.command("verify")(audit.verify)
app.command("rebuild")(audit.rebuild)
app.command("backup")(backups.backup)
app.command("restore")(backups.restore)
app.command("erase")(retention.erase)
_jobs = typer.Typer(invoke_without_command=True, callback=jobs.jobs)
_jobs.command("run")(jobs.run)
app.add_typer(_jobs, name="jobs")
app.command("serve")(serving.serve)
_tokens = typer.Typer(no_args_is_help=True, help="The tokens that the HTTP service lets in: create, list, revoke.")
_tokens.command("create")(tokens.create)
_tokens.command("list")(tokens.list_)
_tokens.command("revoke")(tokens.revoke)
app.add_typer(_tokens, name="token")
app.command("demo")(demonstration.demo)
app.command("version")(stores.version)


def main() -> None:
    """Run the command line and exit."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name the terminal cannot show is no reason to fail
    app(prog_name="timestrata")
