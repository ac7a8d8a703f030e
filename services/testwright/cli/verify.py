"""The verb verify: runs the evidence of a result again."""

from pathlib import Path
from typing import Annotated

import anyio
import typer

from testwright import settings
from testwright.cli import failing, output
from testwright.cli.options import Json, Namespace, Server, Verbose
from testwright.cli.session import with_client
from testwright.environments.uv import UvEnvironments
from testwright.errors import EvidenceNotFoundError, SnapshotError
from testwright.evidence import gather
from testwright.sandbox.local import LocalSandbox
from testwright.verification import bundle as bundles
from testwright.verification.bundle import Bundle
from testwright.verification.recheck import Recheck, recheck
from testwright_schemas import is_word


def verify(
    result: Annotated[
        str,
        typer.Argument(metavar="RESULT", help="Bundle (a file, or the folder it was unpacked into), or a task's id."),
    ],
    *,
    server: Server = None,
    namespace: Namespace = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Run the evidence of a result again, and say whether it still holds.

    A bundle needs no server; no engine and no model is asked. Exit code 1: it does not hold; 3: its environment cannot
    be built here; 4: there is no such result.
    """
    try:
        bundle = _bundle(result, server, namespace)
        found = anyio.run(_again, bundle, as_json)
    except SnapshotError as error:
        found = Recheck(holds=False, differences=(str(error),))
    if as_json:
        output.document(found)
    else:
        _say(found)
    raise typer.Exit(failing.OK if found.holds else failing.SHORT)


def _bundle(result: str, server: str | None, namespace: str | None) -> Bundle:
    path = Path(result)
    if path.exists():
        return bundles.read(path)
    if not is_word(result):
        raise EvidenceNotFoundError(result)
    return with_client(lambda client: gather(client, result), server, namespace)


async def _again(bundle: Bundle, quiet: bool) -> Recheck:
    async def progress(message: str, *, tests: int | None = None, coverage: float | None = None) -> None:
        del tests, coverage
        if not quiet:
            output.tell(message)

    return await recheck(bundle, LocalSandbox(), UvEnvironments(settings.load().cache), progress)


def _say(found: Recheck) -> None:
    for difference in found.differences:
        output.say(f"differs: {difference}")
    for note in found.notes:
        output.say(f"note: {note}")
    if found.processes:
        tests = output.counted(found.expected_tests, "test")
        line = output.percent(found.coverage.line if found.coverage else None)
        output.say(
            f"{found.tests} of {tests} pass in {found.processes} fresh processes; "
            f"lines {line}; {found.killed} of {output.counted(found.expected_killed, 'noticed mutant')} noticed again; "
            f"{found.wall_s:.1f} s"
        )
    output.say("the evidence holds" if found.holds else "the evidence does not hold")
