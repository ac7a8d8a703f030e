"""The OpenHands engine: what it needs, where its agent runs, and what of an attempt is delivered."""

from urllib.parse import urlsplit

import anyio
from anyio.to_thread import run_sync

from testwright import settings
from testwright.engines import Assignment, Candidate, Engine, EngineStatus, Progress
from testwright.engines._target import check_import, public_names, read_target
from testwright.engines.openhands import local, outcomes, remote
from testwright.engines.openhands.attempts import Plan
from testwright.engines.openhands.interpreters import has_interpreter
from testwright.engines.openhands.lanes import Closures, Lanes
from testwright.engines.openhands.models import Choice, Missing, choose
from testwright.engines.openhands.relay import WORTH_WAITING_S
from testwright.environments import Environment, Environments
from testwright.errors import EngineError, SettingError
from testwright.settings import AgentServerSettings
from testwright_schemas import Usage

_CLOSURES = Closures()
"""Of all attempts of this process: each has an engine of its own, and a model's server does not care."""


class OpenHandsEngine(Engine):
    """Has an agent write tests, with the model that the surroundings name.

    Args:
        closures: which models are closed, as far as other attempts know; by default those of this process.
    """

    name = "openhands"
    summary = "an agent writes, runs and mends tests (OpenHands SDK 1.58); needs a model and its key"
    needs_environment = True
    charges = True

    def __init__(self, closures: Closures = _CLOSURES) -> None:
        self._closures = closures

    def status(self) -> EngineStatus:
        """Say which model it would use and where, or what is missing and how to mend it."""
        chosen = _chosen()
        if isinstance(chosen, Missing):
            return EngineStatus(available=False, detail=chosen.what, remedy=chosen.remedy)
        detail = f"{' then '.join(chosen.models)} at {chosen.base_url}"
        if server := settings.agent_server():
            return EngineStatus(available=True, detail=f"{detail}, by the agent server {server.url}")
        if not has_interpreter(local.PYTHONS):
            detail, remedy = f"no Python {' or '.join(local.PYTHONS)}", "uv python install 3.12"
            return EngineStatus(available=False, detail=detail, remedy=remedy)
        if not any(settings.load().cache.glob("openhands-*/")):
            detail += "; the first attempt installs it, or now `testwright engines install openhands`"
        return EngineStatus(available=True, detail=detail)

    async def install(self, environments: Environments) -> Environment:
        """Build its own environment (about 750 MB) ahead of time; an agent server needs none here.

        Raises:
            EnvironmentBuildError: it cannot be built.
        """
        return await local.install(environments)

    async def generate(self, assignment: Assignment, progress: Progress) -> Candidate:
        """Let the agent work for the policy's budget and deliver the test files that it left.

        Raises:
            EngineError: ``docs/openhands.md`` lists the causes.
            EnvironmentBuildError: the SDK cannot be installed.
        """
        chosen = await run_sync(_chosen)
        if isinstance(chosen, Missing):
            raise EngineError("engine-unavailable", f"{chosen.what}; {chosen.remedy}")
        plan = Plan(chosen, self._lanes(chosen))
        now = anyio.current_time()
        if plan.lanes.wait_s(now) > WORTH_WAITING_S:
            raise outcomes.stopped(outcomes.none_left(plan.lanes, now))
        await _check_target(assignment)
        if server := settings.agent_server():
            ended = await remote.attempt(assignment, plan, server, progress)
        else:
            ended = await local.attempt(assignment, plan, progress)
        attempt, files = ended.attempt, ended.files
        if not files or outcomes.discards(attempt):
            raise outcomes.failure_of(attempt)
        await progress("tests written", tests=sum(text.count(b"def test") for text in files.values()))
        done = attempt.done
        return Candidate(
            files=files,
            usage=attempt.usage or Usage(wall_s=done.wall_s),
            log=done.stdout + b"\n" + done.stderr,
            isolation=done.isolation,
        )

    def _lanes(self, choice: Choice) -> Lanes:
        if settings.model().replay:
            # A record of a model that asked for a pause asks nobody for one.
            return Lanes(choice.models)
        return Lanes(choice.models, self._closures, choice.base_url)


def _chosen() -> Choice | Missing:
    try:
        chosen = choose(settings.model(), has_key=settings.model_key() is not None)
        settings.agent_server_key()
    except SettingError as error:
        return Missing(str(error), f"unset {error.name}")
    server = settings.agent_server()
    return (_lacking(server) if server else None) or chosen


def _lacking(server: AgentServerSettings) -> Missing | None:
    parts = urlsplit(server.url)
    if parts.password is not None or parts.scheme not in {"http", "https"}:
        # Not shown: there may be a password in it.
        what = "the agent server's URL is no plain address"
        return Missing(what, "export TESTWRIGHT_OPENHANDS_URL=https://HOST:PORT TESTWRIGHT_OPENHANDS_API_KEY=KEY")
    if not server.relay_host and (settings.model().record or settings.model().replay):
        what = "only what passes our relay can be recorded or replayed"
        return Missing(what, "export TESTWRIGHT_OPENHANDS_RELAY_HOST=ADDRESS")
    return None


async def _check_target(assignment: Assignment) -> None:
    tree = await read_target(assignment)
    if not public_names(tree):
        raise EngineError("nothing-to-test", f"{assignment.target.module} defines no public name")
    await check_import(assignment)
