"""The table of verbs, and the only place that loads them and turns errors into exit codes.

A verb's module is imported when it is called, so that ``testwright --help`` and completion stay quick.
"""

from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from testwright.cli.failing import exit_code, leaf, told
from testwright.errors import TestwrightError


class Verb(NamedTuple):
    """Where a verb is (``module:attribute`` in this package: a function, or a Typer application), and what it does."""

    where: str
    summary: str


VERBS = {
    "generate": Verb("generate:generate", "Write verified tests for modules, and wait for them."),
    "submit": Verb("submit:submit", "Submit modules and return at once with the ids of their tasks."),
    "status": Verb("tasks:status", "Say where tasks stand."),
    "list": Verb("tasks:list_", "List the tasks that are still kept, oldest first."),
    "wait": Verb("results:wait", "Wait until tasks have ended."),
    "result": Verb("results:result", "Return the result of a task and write its suite."),
    "verify": Verb("verify:verify", "Run the evidence of a result again, and say whether it still holds."),
    "watch": Verb("watch:watch", "Show events as they come."),
    "cancel": Verb("tasks:cancel", "Ask for the end of tasks, or of all tasks of jobs."),
    "retry": Verb("tasks:retry", "Submit tasks that have ended again, as a new job."),
    "schedule": Verb("schedule:app", "List and cancel submissions that are made later."),
    "workflow": Verb("workflow:app", "Run stages side by side with the generation of tests."),
    "dead": Verb("dead:app", "List and resend messages that nobody could handle."),
    "up": Verb("up:up", "Run a server and everything on it, in the foreground."),
    "run": Verb("run:run", "Run one actor as a process."),
    "engines": Verb("engines:engines", "List the engines and whether they can run here."),
    "doctor": Verb("doctor:doctor", "Check what testwright needs on this machine."),
    "schema": Verb("schema:app", "Export the schemas of all messages."),
    "auth": Verb("auth:app", "Make credentials, one for each role."),
    "limits": Verb("limits:app", "Show, or set, what a namespace may do at a time and spend."),
    "topology": Verb("topology:app", "Export, or create, what must exist on a server."),
}


def load(name: str) -> Any:
    """Return the command of a verb."""
    module, _, attribute = VERBS[name].where.partition(":")
    found = getattr(import_module(f"testwright.cli.{module}"), attribute)
    if not isinstance(found, typer.Typer):
        alone = typer.Typer(add_completion=False, rich_markup_mode=None)
        alone.command(name)(found)
        found = alone
    return typer.main.get_command(found)


class Root(TyperGroup):
    """Knows the verbs by name and summary, loads the one that is called, and answers for its errors."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, verb in VERBS.items():
            self.add_command(TyperCommand(name, callback=None, help=verb.summary))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the name, the command itself and the remaining arguments."""
        name, known, rest = super().resolve_command(ctx, args)
        return name, load(name) if known and name else known, rest

    def invoke(self, ctx: Any) -> Any:
        """Run the verb; an error of ours, or of the machine, becomes one line and an exit code."""
        try:
            return super().invoke(ctx)
        except (TestwrightError, OSError, BaseExceptionGroup) as error:
            found = leaf(error)
            # A pipe that nobody reads any more is for the framework, which ends quietly.
            if not isinstance(found, (TestwrightError, OSError)) or isinstance(found, BrokenPipeError):
                raise found from None
            typer.echo(f"testwright: {told(found)}", err=True)
            raise typer.Exit(exit_code(found)) from error


app = typer.Typer(
    name="testwright",
    cls=Root,
    help="Verified tests for Python modules, written in the background.",
    no_args_is_help=True,
    rich_markup_mode=None,  # importing what renders the other modes takes three times as long as all the rest
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"testwright {version('testwright')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    creds: Annotated[
        Path | None,
        typer.Option("--creds", metavar="FILE", help="Credentials for the server; else TESTWRIGHT_CREDENTIALS."),
    ] = None,
) -> None:
    """Verified tests for Python modules, written in the background."""
    if creds:
        settings = import_module("testwright.settings")  # it takes longer to load than --help may
        settings.name_credentials(creds)
