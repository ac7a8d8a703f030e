"""Joining, superseding and schedules on a real server with everything on it, from the command line and from Python."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import pytest

from tests.support.cli import Shell
from testwright.app import Options
from testwright.cli.service import complete
from testwright.client import Client
from testwright.snapshots.bundle import bundle
from testwright.submission import Terms
from testwright_schemas import JobSubmitted, Policy, Timetable

pytestmark = [pytest.mark.nats, pytest.mark.slow]

PRICING = '"""Prices."""\n\n\ndef double(price: int) -> int:\n    """Return twice the price."""\n    return 2 * price\n'
POLICY = Policy(engines=("echo",), repeats=1, mutants=False, coverage=0)
JOIN = Terms(join=True)
PATIENCE_S = 90.0


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    shell = Shell(tmp_path)
    shell.write("pyproject.toml", '[project]\nname = "shop"\nversion = "1"\nrequires-python = ">=3.11"\n')
    shell.write("shop/__init__.py", "")
    shell.write("shop/pricing.py", PRICING)
    return shell


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """Run a server with everything on it."""
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(complete(None, Options(concurrency=2)))


async def test_equal_work_is_done_once_and_older_work_can_be_superseded(url: str, shell: Shell) -> None:
    bundled = bundle([shell.project / "shop/pricing.py"])
    async with Client.connect(url) as client:
        first, second = [(await client.submit_bundle(bundled, POLICY, JOIN)).tasks[0].id for _ in range(2)]
        ended = [await client.wait(id_, PATIENCE_S) for id_ in (first, second)]
        assert [(end.outcome, end.joined) for end in ended] == [("completed", None), ("completed", first)]
        stored = (await client.submit_bundle(bundled, POLICY, JOIN)).tasks[0].id
        assert (await client.wait(stored, PATIENCE_S)).joined == first

        superseding = Terms(supersede=True)
        old, new = [(await client.submit_bundle(bundled, POLICY, superseding)).tasks[0].id for _ in range(2)]
        ended = [await client.wait(id_, PATIENCE_S) for id_ in (old, new)]
        assert ended[0].error is not None
        assert (ended[0].error.cause, ended[0].error.message) == ("superseded", f"superseded by {new}")
        assert (ended[1].outcome, ended[1].joined) == ("completed", None)


async def test_schedules_are_kept_by_the_server(url: str, shell: Shell) -> None:
    bundled = bundle([shell.project / "shop/pricing.py"])
    async with Client.connect(url) as client:
        with anyio.fail_after(PATIENCE_S):
            async with client.watch() as events:
                often = await client.schedules.add(bundled, Timetable(every_s=1), POLICY)
                jobs: set[str] = set()
                async for _, event in events:
                    if isinstance(event, JobSubmitted):
                        jobs.add(event.job_id)
                    if len(jobs) == 2:
                        break
        await client.schedules.cancel(often.schedule_id)

    known = Shell(shell.folder, {"NATS_URL": url})
    quick = ("--engine", "echo", "--repeats", "1", "--no-mutants", "--coverage", "0", "--json")
    later = await known.run("submit", "shop/pricing.py", "--at", "in 1s", *quick)
    assert later.code == 0, later.err
    nightly = await known.run("submit", "shop", "--cron", "30 3 * * *", "--time-zone", "Europe/Warsaw", *quick)
    cancelled = await known.run("schedule", "cancel", nightly.json["schedule"], "--json")
    assert cancelled.json == {"requested": [nightly.json["schedule"]]}
    async with Client.connect(url) as client:
        [task] = later.json["tasks"]
        assert (await client.wait(task["id"], PATIENCE_S)).outcome == "completed"
    listed = await known.run("schedule", "list", "--json")
    states = {known["id"]: known["state"] for known in listed.json}
    assert states[often.schedule_id] == states[nightly.json["schedule"]] == "cancelled"
    assert states[later.json["schedule"]] == "done"


async def test_a_project_without_changes_is_said_to_have_none(shell: Shell) -> None:
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "first"]):
        identity = ["-c", "user.name=Jo", "-c", "user.email=jo@example.org", "-c", "commit.gpgsign=false"]
        await anyio.run_process(["git", *identity, *arguments], cwd=shell.project)

    nothing = await shell.run("submit", "shop", "--changed-since", "HEAD", "--json")
    unknown = await shell.run("generate", "shop", "--changed-since", "no-such-revision")

    assert (nothing.code, nothing.json) == (0, {"job": None, "tasks": []})
    assert (unknown.code, "no git revision 'no-such-revision'" in unknown.err) == (2, True)
