"""Verbs about results: wait and result."""

from pathlib import Path
from typing import Annotated

import anyio
import typer
from anyio.to_thread import run_sync

from testwright.branch import check_branch
from testwright.cli import output, report
from testwright.cli.committing import committed
from testwright.cli.ids import tasks_of
from testwright.cli.options import Branch, Ids, Json, Namespace, Output, Server, Timeout, Verbose
from testwright.cli.session import with_client
from testwright.client import Client
from testwright.delivery import default_output, deliver
from testwright.errors import WaitTimeoutError
from testwright_schemas import TaskFinished

ReportFile = Annotated[
    Path | None, typer.Option("--report", metavar="FILE", help="Write the evidence as a page: .html, .md or .json.")
]
BundleFile = Annotated[
    Path | None,
    typer.Option("--bundle", metavar="FILE", help="Write all that `testwright verify` takes, as a .tar.gz archive."),
]


def wait(
    ids: Ids,
    *,
    timeout: Timeout = None,
    server: Server = None,
    namespace: Namespace = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Wait until tasks have ended.

    However they end the exit code is 0; 4: there is no such task; 5: not in time.
    """

    async def ask(client: Client) -> list[TaskFinished]:
        return await all_of(client, await tasks_of(client, ids), timeout)

    ended = with_client(ask, server, namespace)
    if as_json:
        output.document(ended)
        return
    output.show(
        output.table(report.COLUMNS[:-1], [report.cells(result, [], Path())[:-1] for result in ended], report.RIGHT)
    )


async def all_of(client: Client, task_ids: list[str], timeout: float | None) -> list[TaskFinished]:
    """Return the results of tasks, in their order, as soon as all have ended; ``timeout`` is for all together.

    Raises:
        WaitTimeoutError: one has not ended by then.
        TaskNotFoundError: there is no task with one of the ids.
    """
    deadline = None if timeout is None else anyio.current_time() + timeout
    results: list[TaskFinished] = []
    for task_id in task_ids:
        left = None if deadline is None else max(deadline - anyio.current_time(), 0.0)
        try:
            results.append(await client.wait(task_id, left))
        except WaitTimeoutError as error:
            raise WaitTimeoutError(task_id, timeout or 0.0) from error
    return results


def result(
    task_id: Annotated[str, typer.Argument(metavar="ID", help="Id of a task.")],
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it has ended.")] = False,
    timeout: Timeout = None,
    output_dir: Output = None,
    branch: Branch = None,
    report_file: ReportFile = None,
    bundle: BundleFile = None,
    server: Server = None,
    namespace: Namespace = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Return the result of a task and write its suite.

    With --branch it is committed there; --report and --bundle write the evidence, too.
    Exit code 4: there is no such task; 5: it has not ended (in time).
    """
    folder = (output_dir or default_output(Path.cwd())).absolute()

    from testwright.cli import evidence  # noqa: PLC0415  of the verbs here this one alone needs it

    evidence.check(report_file)
    if branch is not None:
        check_branch(Path.cwd(), branch)

    async def ask(client: Client) -> tuple[report.Report, list[str]]:
        found = await client.wait(task_id, timeout) if wait or timeout is not None else await client.results(task_id)
        if found is None:
            raise WaitTimeoutError(task_id, 0.0)
        files = await client.files(found)
        told = report.Report(modules={task_id: found.module}, results={task_id: found}, suites={task_id: files})
        if branch is not None:
            told.commit = await run_sync(committed, branch, Path.cwd(), folder, told)
        else:
            told.written[task_id] = await run_sync(deliver, files, folder)
        return told, await evidence.write(client, found, report_file, bundle)

    told, said = with_client(ask, server, namespace)
    found = told.results[task_id]
    if as_json:
        output.document(report.of_task(found, told.written.get(task_id, []), told.commit))
        return
    output.show(output.table(report.COLUMNS, [report.cells(found, told.places(task_id), Path.cwd())], report.RIGHT))
    for remark in (*report.remarks(told.results), *said):
        output.say(remark)
    if branch is not None:
        output.say(report.on_branch(branch, told.commit))
