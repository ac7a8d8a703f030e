"""The verb submit: modules now, later, or again and again; it does not wait for a task's end."""

import anyio

from testwright import clock
from testwright.cli import output, policy, terms
from testwright.cli.options import Json, Namespace, Paths, Sandbox, Server, Verbose
from testwright.cli.session import with_client
from testwright.client import ACCEPTANCE_S, Client
from testwright.errors import InvalidSubmissionError
from testwright.scheduled import ScheduleStatus
from testwright.snapshots.bundle import Bundle
from testwright.submission import Job, Terms
from testwright_schemas import Policy, ScheduleJob, Timetable


def submit(
    paths: Paths,
    *,
    engine: policy.Engines = None,
    coverage: policy.Coverage = None,
    budget: policy.Budget = None,
    timeout: policy.Limit = None,
    python: policy.Python = None,
    no_mutants: policy.NoMutants = False,
    priority: policy.Urgency = None,
    seed: policy.Seed = None,
    repeats: policy.Repeats = None,
    rounds: policy.Rounds = None,
    max_cost: policy.MaxCost = None,
    max_tokens: policy.MaxTokens = None,
    max_job_cost: terms.MaxJobCost = None,
    changed_since: terms.ChangedSince = None,
    fresh: terms.Fresh = False,
    supersede: terms.Supersede = False,
    concurrency: terms.TasksAtATime = None,
    concurrency_key: terms.ConcurrencyKey = None,
    at: terms.At = None,
    every: terms.Every = None,
    cron: terms.Cron = None,
    time_zone: terms.TimeZone = None,
    sandbox: Sandbox = None,
    server: Server = None,
    namespace: Namespace = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Submit modules and return at once with the ids of their tasks.

    The work goes on without this process: see `status`, `watch` and `result`. What was done already for the same
    content under the same policy is returned again, unless --fresh is given.

    With --at, --every or --cron the modules are submitted later, as they are now: see `schedule`.
    """
    timetable = terms.timetable(at, every, cron, time_zone, clock.now().astimezone())
    wanted = policy.policy(
        engines=engine,
        python=python,
        no_mutants=no_mutants,
        coverage=coverage,
        budget_s=budget,
        timeout_s=timeout,
        priority=priority,
        seed=seed,
        repeats=repeats,
        rounds=rounds,
        max_cost_usd=max_cost,
        max_tokens=max_tokens,
        sandbox=policy.demanded(sandbox),
    )
    bundled = terms.gathered(paths, changed_since)
    if not bundled.targets:
        _tell_nothing(changed_since or "", as_json=as_json)
        return
    patient = policy.for_modules(wanted, len(bundled.targets))
    if concurrency_key and concurrency is None:
        raise InvalidSubmissionError("--concurrency", f"say how many tasks with key {concurrency_key!r} may be at work")
    stance = Terms(
        join=not fresh,
        supersede=supersede,
        concurrency=concurrency,
        max_cost_usd=max_job_cost,
        concurrency_key=concurrency_key,
    )
    if timetable is None:
        job = with_client(lambda client: client.submit_bundle(bundled, patient, stance), server, namespace)
        tell_job(job, as_json=as_json)
        return
    _tell_schedule(
        *with_client(lambda client: _schedule(client, bundled, timetable, patient, stance), server, namespace),
        as_json=as_json,
    )


async def _schedule(
    client: Client, bundled: Bundle, timetable: Timetable, wanted: Policy, stance: Terms
) -> tuple[ScheduleJob, ScheduleStatus | None]:
    command = await client.schedules.add(bundled, timetable, wanted, stance)
    answer = None
    with anyio.move_on_after(ACCEPTANCE_S):
        answer = await client.schedules.answer(command.schedule_id)
    if answer and answer.state == "rejected":
        field, _, reason = answer.message.partition(": ")
        raise InvalidSubmissionError(field, reason)
    return command, answer


def tell_job(job: Job, *, as_json: bool) -> None:
    """Print a submission."""
    if as_json:
        output.document({"job": job.id, "tasks": [{"id": task.id, "module": task.module} for task in job.tasks]})
        return
    output.say(job.id)
    output.show(output.table(("task", "module"), [(task.id, task.module) for task in job.tasks]))


def _tell_nothing(revision: str, *, as_json: bool) -> None:
    if as_json:
        output.document({"job": None, "tasks": []})
        return
    output.say(nothing_changed(revision))


def nothing_changed(revision: str) -> str:
    """Return what there is to say where no module has changed."""
    return f"no module has changed since {revision}: nothing to do"


def _tell_schedule(command: ScheduleJob, answer: ScheduleStatus | None, *, as_json: bool) -> None:
    once = command.timetable.at is not None
    specs = command.submission.tasks
    next_at = answer.next_at if answer else None
    if as_json:
        tasks = [{"id": spec.task_id if once else None, "module": spec.target.module} for spec in specs]
        job = command.submission.job_id if once else None
        output.document({"schedule": command.schedule_id, "next": next_at, "job": job, "tasks": tasks})
        return
    output.say(command.schedule_id)
    if answer is None:
        output.tell("no submitter has taken it yet: see `testwright schedule list`")
    rows = [(spec.task_id if once else output.NONE, spec.target.module, output.moment(next_at)) for spec in specs]
    output.show(output.table(("task", "module", "next"), rows))
