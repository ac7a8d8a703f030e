"""An attempt whose agent runs on an agent server: files go there, events come back as they happen, then the tests.

The server is told the model's address and key, or those of a relay here where it can reach one. It is no sandbox: how
far its agent is kept from its machine is its owner's choice.
"""

import time
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import anyio
from anyio.abc import ObjectReceiveStream
from anyio.to_thread import run_sync

from testwright import settings
from testwright.engines import Assignment, Progress
from testwright.engines.openhands import conversing, harvest, outcomes
from testwright.engines.openhands.agent_server import AgentServer, Event, connected
from testwright.engines.openhands.attempts import Ended, Plan, accepted, ledger_of, relaying, task, told
from testwright.engines.openhands.conversing import Model, Tally
from testwright.engines.openhands.lanes import DEFAULT_WAIT_S
from testwright.engines.openhands.outcomes import Attempt, Stop
from testwright.engines.openhands.prompt import prompt
from testwright.engines.openhands.relay import Relay, listening_at
from testwright.engines.openhands.spending import Ledger, Tokens
from testwright.errors import EngineError, SnapshotError
from testwright.sandbox import Completed
from testwright.settings import AgentServerSettings
from testwright.snapshots.archive import pack, unpack
from testwright_schemas import Usage

STOP_S = 10.0
"""Seconds that an interrupted conversation has to come to rest, and that tidying up may take."""


@dataclass(frozen=True, slots=True)
class _Scene:
    """What a conversation is held with.

    Attributes:
        plan: of the attempt.
        model: that the server calls.
        ledger: of what that spends.
        relay: between the two, ``None`` where the server calls the model itself.
        workspace: the agent's folder.
        tally: of the events.
        began: time of its start, by the monotonic clock.
    """

    plan: Plan
    model: Model
    ledger: Ledger
    relay: Relay | None
    workspace: str
    tally: Tally
    began: float = field(default_factory=time.monotonic)

    def usage(self) -> Usage | None:
        """Return what was spent, ``None`` where the model was not called."""
        model, wall_s = (self.relay and self.relay.model) or self.model.name, time.monotonic() - self.began
        if self.ledger.calls:
            return self.ledger.usage(model, wall_s)
        return Usage(model=model, wall_s=wall_s) if self.tally.iterations else None


async def attempt(assignment: Assignment, plan: Plan, named: AgentServerSettings, progress: Progress) -> Ended:
    """Let an agent on a server work for the policy's budget.

    Raises:
        EngineError: the server cannot be reached (``agent-server-unreachable``), refuses its key (``bad-credentials``)
            or fails (``agent-server-failed``); there is no record to replay (``no-record``).
    """
    await progress(f"bringing the project to {named.url}")
    root = assignment.root.resolve()
    before = await run_sync(harvest.look, root)
    async with connected(named.url, settings.agent_server_key()) as server, _folder(server) as folder:
        workspace = f"{folder}/project"
        await server.upload(f"{folder}/in.tgz", await run_sync(_packed, root))
        await server.run("mkdir", workspace)
        await server.run("tar", "xzf", "../in.tgz", within=workspace)
        async with _set(plan, assignment, named, workspace) as scene:
            try:
                ended = await _converse(server, assignment, scene, progress)
                files = await run_sync(_unpacked, await _fetched(server, folder), assignment, before)
            except EngineError as error:
                error.usage = scene.usage()
                raise
    return Ended(files, ended)


@asynccontextmanager
async def _folder(server: AgentServer) -> AsyncGenerator[str]:
    folder = (await server.run("mktemp", "-d", "-t", "testwright-XXXXXX")).strip()
    try:
        yield folder
    finally:
        with anyio.move_on_after(STOP_S, shield=True), suppress(EngineError):
            await server.run("rm", "-rf", folder)


@asynccontextmanager
async def _set(
    plan: Plan, assignment: Assignment, named: AgentServerSettings, workspace: str
) -> AsyncGenerator[_Scene]:
    """Decide what the server calls, and have a relay listen if it is that."""
    choice = plan.choice
    if named.relay_host:
        async with (
            relaying(plan, assignment, workspace) as relayed,
            listening_at(relayed.relay, named.relay_host) as url,
        ):
            model = Model(plan.lanes.preferred, url, relayed.token)
            yield _Scene(plan, model, relayed.relay.ledger, relayed.relay, workspace, Tally(relayed.token))
    else:
        name = plan.lanes.first(anyio.current_time()) or plan.lanes.preferred
        model = Model(name, choice.base_url, settings.model_key() or "")
        ledger = ledger_of(choice, assignment.policy)
        yield _Scene(plan, model, ledger, None, workspace, Tally(model.key))


async def _converse(server: AgentServer, assignment: Assignment, scene: _Scene, progress: Progress) -> Attempt:
    conversation = str(uuid.uuid4())
    text = prompt(await task(assignment, scene.workspace, path_is_set=False))
    iterations = scene.plan.choice.max_iterations
    stop: Stop | None = None
    try:
        await server.post("", conversing.start(conversation, scene.workspace, scene.model, iterations))
        async with server.events(conversation) as events:
            await server.post(f"/{conversation}/events", conversing.message(text))
            with anyio.move_on_after(assignment.policy.budget_s) as limit:
                stop = await _follow(events, scene, progress)
            if not scene.tally.rested:
                await server.post(f"/{conversation}/interrupt")
                with anyio.move_on_after(STOP_S):
                    await _follow(events, scene, progress)
    finally:
        # Whatever ends us ends it, and what it spends.
        with anyio.move_on_after(STOP_S, shield=True), suppress(EngineError):
            await server.delete(conversation)
    return _attempt(scene, stop, interrupted=limit.cancelled_caught)


async def _follow(events: ObjectReceiveStream[Event], scene: _Scene, progress: Progress) -> Stop | None:
    """Take events until the agent has come to rest, or has spent what it may."""
    tally = scene.tally
    async for event in events:
        before = tally.tokens
        if action := tally.take(event):
            recalled = scene.relay.recalled if scene.relay else 0
            await progress(told(scene.ledger, outcomes.described(action, scene.workspace), recalled))
        if scene.relay is None and tally.tokens != before:
            spent = Tokens(tally.tokens.input - before.input, tally.tokens.output - before.output)
            if not scene.ledger.note(spent) and not tally.rested:
                return Stop("cost-limit", "the agent has spent what it may")
        if tally.rested:
            break
    return None


def _attempt(scene: _Scene, stop: Stop | None, *, interrupted: bool) -> Attempt:
    relay, summary = scene.relay, scene.tally.summary(interrupted=interrupted)
    if relay is None and outcomes.is_rate_limit(summary):
        stop = _limited(scene)
    log = "\n".join([*scene.tally.log, summary.detail])
    wall_s = time.monotonic() - scene.began
    return Attempt(
        summary=summary,
        stop=stop or (relay.stop if relay else None),
        refused=relay.refused if relay else False,
        trouble=relay.trouble if relay else "",
        done=Completed(0, log.encode(), b"", wall_s, timed_out=False, isolation="process-group"),
        usage=scene.usage(),
    )


def _limited(scene: _Scene) -> Stop:
    """Return when to come back; an agent server does not pass on how long its model wants to be left alone."""
    now = anyio.current_time()
    scene.plan.lanes.close(scene.model.name, now + DEFAULT_WAIT_S)
    wait_s = max(1.0, scene.plan.lanes.wait_s(now))
    message = f"too many requests to {scene.model.name}: another try makes sense in {wait_s:.0f} s"
    return Stop("rate-limited", message, retryable=True, retry_after_s=wait_s)


async def _fetched(server: AgentServer, folder: str) -> bytes:
    """Return an archive of the plain test files in the workspace."""
    listed = ("find", ".", "-name", "test_*.py", "-type", "f", "-printf", "%P\\0")
    packed = ("tar", "czf", "../out.tgz", "--null", "-T", "-")
    await server.run(*listed, "|", *packed, within=f"{folder}/project")
    return await server.download(f"{folder}/out.tgz")


def _packed(root: Path) -> bytes:
    every = (path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    return pack({path.relative_to(root).as_posix(): path.read_bytes() for path in every})


def _unpacked(archive: bytes, assignment: Assignment, before: harvest.Seen) -> dict[str, bytes]:
    folder = assignment.scratch / "delivered"
    try:
        unpack(archive, folder)
    except SnapshotError as error:
        raise EngineError("agent-server-failed", f"what the agent server sent back is no archive: {error}") from error
    return harvest.harvest(folder, before, accepted(assignment))
