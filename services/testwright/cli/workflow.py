"""Verbs about workflows: run, resume, status, watch, cancel."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import anyio
import msgspec
import typer

from testwright import app as wiring
from testwright import clock, settings, toml
from testwright.background import beside
from testwright.branch import check_branch
from testwright.cli import failing, output, service, stages
from testwright.cli.interruption import Interruption
from testwright.cli.options import Branch, Json, Namespace, Server, Verbose
from testwright.cli.session import with_client
from testwright.client import Client
from testwright.errors import WorkflowDefinitionError
from testwright.spec_to_production import SpecToProduction
from testwright.watching import read
from testwright.workflow import core, definition, runs
from testwright.workflow.driver import FOLLOWED, begin
from testwright_schemas import Plan, StageFinished, StageSpec, StageStarted, WorkflowFinished, subjects

app = typer.Typer(
    help="Run stages side by side with the generation of tests.", no_args_is_help=True, rich_markup_mode=None
)

SPEC_TO_PRODUCTION = "spec-to-production"
COLUMNS = ("stage", "outcome", "seconds", "message")

RunId = Annotated[str, typer.Argument(metavar="RUN", help="Id of a run.")]


@dataclass(frozen=True, slots=True)
class _Wish:
    """Which run is to be driven, where, and how its end is told."""

    run_id: str
    server: str | None
    namespace: str | None
    as_json: bool


@app.command()
def run(
    what: Annotated[str, typer.Argument(metavar="FILE|spec-to-production", help="A definition in TOML, or the name.")],
    *,
    blocking: Annotated[bool, typer.Option("--blocking", help="One stage after the other, for comparison.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Have `testwright up` do it; return at once.")] = False,
    root: Annotated[
        Path,
        typer.Option("--root", metavar="DIR", exists=True, file_okay=False, help="Folder that the stages work in."),
    ] = Path(),
    branch: Branch = None,
    values: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Of spec-to-production: a key's value, as in TOML, or a text."),
    ] = None,
    server: Server = None,
    namespace: Namespace = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Run a workflow in this folder, and report what each stage took.

    Where no server runs, one is started for the time being. The first Ctrl-C cancels the run, the second stops at once.

    Exit code 0: every stage ended well; 1: one has failed, or the run was cancelled; 2: the definition is wrong.
    """
    folder = root.absolute()
    plan = _plan(what, folder, _values(values or []), branch)
    for name in definition.branches(plan):
        check_branch(folder, name)
    plan = definition.serialised(plan) if blocking else plan
    if detach:
        _detach(plan, folder, server, namespace, as_json=as_json)
        return
    run_id = clock.new_id("run")
    output.tell(f"{run_id} begins")
    raise typer.Exit(anyio.run(_drive, _Wish(run_id, server, namespace, as_json), plan, folder))


@app.command()
def resume(
    run_id: RunId, server: Server = None, namespace: Namespace = None, as_json: Json = False, verbose: Verbose = False
) -> None:
    """Go on with a run whose process has ended; stages that have ended are not repeated."""
    raise typer.Exit(anyio.run(_drive, _Wish(run_id, server, namespace, as_json)))


@app.command()
def status(
    run_id: RunId, server: Server = None, namespace: Namespace = None, as_json: Json = False, verbose: Verbose = False
) -> None:
    """Say where a run stands."""
    found = with_client(lambda client: runs.known(client.bus, client.namespace, run_id), server, namespace)
    specs = found.started.plan.stages if found.started else ()
    if as_json:
        output.document(
            {
                "run": run_id,
                "state": found.finished.outcome if found.finished else "running",
                "stages": {spec.name: _state(found, spec) for spec in specs},
                "timing": found.finished.timing if found.finished else None,
            }
        )
        return
    output.say(f"{run_id}  {found.finished.outcome if found.finished else 'running'}")
    rows = [(spec.name, _state(found, spec), *_details(found.ended.get(spec.name))) for spec in specs]
    output.show(output.table(COLUMNS, rows, right=("seconds",)))


@app.command()
def watch(
    run_id: RunId, server: Server = None, namespace: Namespace = None, as_json: Json = False, verbose: Verbose = False
) -> None:
    """Show the events of a run from its beginning until its end."""

    async def follow(client: Client) -> None:
        await runs.known(client.bus, client.namespace, run_id)
        wanted = [subjects.workflow_event(client.namespace, run_id)]
        async with client.bus.feed(subjects.EVENTS, wanted, after=0) as feed:
            async for stored in feed:
                event = read(stored, FOLLOWED)
                if event is None:
                    continue
                if as_json:
                    output.line({"at": stored.time, **msgspec.to_builtins(event)})
                elif said := describe(event):
                    output.say(f"{stored.time.astimezone():%H:%M:%S}  {said}")
                if isinstance(event, WorkflowFinished):
                    return

    with_client(follow, server, namespace)


@app.command()
def cancel(
    run_id: RunId,
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept with the run.")] = "",
    server: Server = None,
    namespace: Namespace = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Ask for the end of a run, and of what it has submitted; returns when that is stored."""
    with_client(lambda client: runs.cancel(client, run_id, reason), server, namespace)
    if as_json:
        output.document({"requested": [run_id]})
    else:
        output.say(f"{run_id}  cancel requested")


def describe(event: core.Followed) -> str:
    """Return an event in one line, empty where it says nothing to people."""
    match event:
        case StageStarted():
            return f"{event.stage} begins" + (f", again ({event.attempt})" if event.attempt > 1 else "")
        case StageFinished():
            return f"{event.stage} {event.outcome}" + (f": {event.message}" if event.message else "")
        case WorkflowFinished():
            return f"{event.run_id} {event.outcome}" + (f": {event.message}" if event.message else "")
        case _:
            return ""


def exit_code(result: runs.RunResult) -> int:
    """Return ``OK`` where no stage has failed, also none that the run does not depend on."""
    failed = any(stage.outcome == "failed" for stage in result.stages.values())
    return failing.OK if result.success and not failed else failing.SHORT


def _values(texts: list[str]) -> dict[str, Any]:
    """Return what ``--set`` says; a value that is no TOML is a text."""
    found: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.isidentifier():
            raise typer.BadParameter(f"{text!r}: write KEY=VALUE, e.g. --set coverage_threshold=90")
        try:
            found[key] = toml.parse(f"value = {value}")["value"]
        except ValueError:
            found[key] = value
    return found


def _plan(what: str, folder: Path, values: dict[str, Any], branch: str | None) -> Plan:
    if what == SPEC_TO_PRODUCTION:
        return SpecToProduction(values | ({"branch": branch} if branch else {}), root=folder).plan()
    if values:
        raise typer.BadParameter(f"--set is for {SPEC_TO_PRODUCTION}: write it into {what}")
    try:
        text = Path(what).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WorkflowDefinitionError(what, f"it cannot be read: {error}") from error
    plan = definition.parse(text)
    return definition.on_branch(plan, branch) if branch else plan


def _detach(plan: Plan, folder: Path, server: str | None, namespace: str | None, *, as_json: bool) -> None:
    async def ask(client: Client) -> str:
        command = runs.order(client, plan, folder, clock.new_id("run"))
        await runs.ask_for(client, command)
        return command.run_id

    run_id = with_client(ask, server, namespace)
    if as_json:
        output.document({"run": run_id})
    else:
        output.say(run_id)


async def _drive(wish: _Wish, plan: Plan | None = None, folder: Path | None = None) -> int:
    """Drive a run to its end, one that begins now if there is a plan; returns the exit code."""
    with anyio.CancelScope() as scope:
        interruption = Interruption(scope)
        async with beside(interruption.follow), AsyncExitStack() as stack:
            client = await _client(stack, wish.server, wish.namespace)

            async def stop() -> None:
                output.tell("cancelling the run; interrupt again to stop at once")
                await runs.cancel(client, wish.run_id, "interrupted by the user")

            tools = wiring.workflow_tools(settings.load())
            if plan and folder:
                await begin(client.bus, tools, runs.order(client, plan, folder, wish.run_id))
            interruption.ask = stop
            async with stages.shown(client, output.console(stderr=True), describe) as heard:
                result = await runs.go_on(client, tools, wish.run_id, heard)
        _show(result, as_json=wish.as_json)
        return failing.INTERRUPTED if interruption.count else exit_code(result)
    return failing.INTERRUPTED


async def _client(stack: AsyncExitStack, server: str | None, namespace: str | None) -> Client:
    client = await service.existing(stack, server, namespace)
    if client is None:
        output.tell("no server is running: starting one for this run")
        url = await stack.enter_async_context(service.complete(None, wiring.Options()))
        client = await stack.enter_async_context(Client.connect(url, namespace=namespace))
    return client


def _show(result: runs.RunResult, *, as_json: bool) -> None:
    timing = result.end.timing
    if as_json:
        output.document(
            {
                "run": result.run_id,
                "outcome": result.end.outcome,
                "message": result.end.message,
                "openhands_task_ids": result.openhands_task_ids,
                "tasks": result.tasks,
                "stage_results": result.stages,
                "timing": timing,
            }
        )
        return
    rows = [(name, end.outcome, *_details(end)) for name, end in result.stages.items()]
    output.show(output.table(COLUMNS, rows, right=("seconds",)))
    saved = timing.parallel_execution_savings_ms / 1000
    output.say(f"{result.end.outcome} in {timing.wall_s:.1f} s; one after the other {timing.sequential_s:.1f} s")
    output.say(f"side by side has saved {saved:.1f} s; longest chain {timing.critical_path_s:.1f} s:")
    output.say(f"  {' > '.join(timing.critical_path)}")
    for task, fate in result.tasks.items():
        output.say(f"{task}  {fate}")


def _state(found: core.Run, spec: StageSpec) -> str:
    end = found.ended.get(spec.name)
    if end:
        return end.outcome
    return "running" if spec.name in found.attempts else "waiting"


def _details(end: StageFinished | None) -> tuple[str, str]:
    if end is None or end.started_at is None:
        return output.NONE, end.message if end else ""
    return f"{(end.completed_at - end.started_at).total_seconds():.1f}", end.message
