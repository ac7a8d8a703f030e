"""The page of errors, from their classes."""

import inspect
from collections.abc import Iterator

from docs._reference.text import GENERATED, first_paragraph, prose, table
from testwright import errors
from testwright.cli.failing import exit_code

HEAD = """# Errors

Every error of testwright is a `TestwrightError` of one class, with a number that never changes. A verb prints it
as one line, `testwright: what has happened [TW120]`, and ends with the exit code below; in Python it is `error.number`;
[over HTTP](../gateway.md) it is a problem document, whose `type` is what never changes.
"""

ANSWERS: dict[type[errors.TestwrightError], str] = {
    errors.TestwrightError: "the message says what; it is raised as one of the errors below",
    errors.InvalidSubmissionError: "correct the field that the message names",
    errors.SnapshotError: "name modules below one project; the message says which file or link cannot be taken along",
    errors.BranchError: "see the reason: another `--branch`, or commit or stash what is in the way",
    errors.TaskNotFoundError: "`testwright list`; is it another `--namespace`, or older than 30 days? Submit again",
    errors.WaitTimeoutError: "wait again: nothing was lost. `testwright watch ID` shows what it is doing",
    errors.UnreadableEndError: "upgrade the client if the actors are newer; else ask again: `dead list` has it",
    errors.TestGenerationError: "the message is that of the error behind it, which is its `__cause__`",
    errors.WorkflowDefinitionError: "correct the place in the file that the message names",
    errors.ScheduleNotFoundError: "`testwright schedule list`",
    errors.RunNotFoundError: "check the id; runs are kept for 30 days. The live page has them all",
    errors.BusError: "the message quotes the server; `testwright doctor` looks at it",
    errors.ServerStartError: "the last lines of its log are in the message: is the folder in use, or the port taken?",
    errors.ConnectError: "is the server up, and `NATS_URL` right? Start one with `testwright up`",
    errors.CredentialsError: "the message says what is in the way; `testwright auth init DIR` makes what is missing",
    errors.BusClosedError: "connect again; the log says why the connection was closed",
    errors.PublishTimeoutError: "send it again under the same ids: what was stored is not done twice",
    errors.BusTimeoutError: "ask later; look at the server's load, and in a cluster at its majority",
    errors.PayloadTooLargeError: "submit fewer modules at a time, or raise `max_payload` of the server",
    errors.ConflictError: "read what is there now, and decide again; actors do so by themselves",
    errors.SubjectFullError: "nothing: the work is in the queue already",
    errors.PermissionDeniedError: "use credentials of [a role that may](../permissions.md#who-may-do-what)",
    errors.StreamNotFoundError: "`testwright topology apply`, with credentials of the admin",
    errors.BlobNotFoundError: "it has expired (30 days): submit again, or `testwright retry ID`",
    errors.BlobCorruptError: "store it again; somebody has changed it, or a disk has",
    errors.StreamReplacedError: "start whatever follows it again, and submit again what had not ended",
    errors.BlobTooLargeError: "submit a smaller project; snapshots of ours have 64 MB at most",
    errors.SandboxError: "is the program that the message names there, and executable? See [sandbox](../sandbox.md)",
    errors.WorkError: "see its `cause` below",
    errors.SandboxUnavailableError: "install bubblewrap and allow user namespaces, or use `--sandbox docker`",
    errors.EngineError: "see its `cause` below",
    errors.EnvironmentBuildError: "see its `cause` below",
    errors.VerificationError: "see its `cause` below",
    errors.SettingError: "correct or unset the variable that the message names: [settings](settings.md)",
    errors.RequestRefusedError: "the problem document says what: [the API](../gateway.md#the-api)",
    errors.DeadLetterNotFoundError: "`testwright dead list`",
    errors.EvidenceNotFoundError: "`testwright result ID --bundle FILE` writes what `testwright verify` takes",
}
"""What to do about each class of errors."""

CAUSES = """
## Causes of failed tasks

An attempt or a task that fails says so in its events: `failure` and `error` have a `cause`, one word for programs,
and a `message` for people, which names the remedy where one is known. What may pass is tried again with the same
engine, after a pause that the server keeps, as often as `retry` in the policy says. After any other failure of an
attempt the next engine has its turn.

"""

REMEDIES = {
    "agent-server-failed": "the agent server gave an error; its message is there, and its own log has more",
    "agent-server-unreachable": "check `TESTWRIGHT_OPENHANDS_URL`, and that the server runs",
    "agent-stuck": "the agent repeated itself; give another model, or a larger budget",
    "bad-credentials": "the model's server refuses the key; check `TESTWRIGHT_LLM_API_KEY_FILE`",
    "bad-metadata": "the project's metadata cannot be read; correct the file that the message names",
    "bad-model-request": "the model's server does not take what it is asked; the message quotes it: another model?",
    "budget-exhausted": "time, tokens or money of the policy are used up; what was accepted is delivered. Allow more",
    "cache-not-writable": "give the worker a folder that it may write to (`TESTWRIGHT_CACHE`)",
    "cancelled": "somebody asked for the end of it; the message says why",
    "candidate-lost": "what the engine delivered has expired, or cannot be unpacked; `testwright retry ID`",
    "context-overflow": "the conversation became too long for the model; give one with a larger context",
    "cost-limit": "what an attempt may cost is used up; what is there was judged. Raise `TESTWRIGHT_LLM_MAX_COST`",
    "dead-lettered": "a message about the task could not be handled; see `testwright dead list`, `dead retry`",
    "deadline-exceeded": "the task had its hour, or what the policy's `deadline_s` says; are there enough workers?",
    "dependency-not-installable": "an installer refuses a dependency; see the log. `--python` takes a ready one",
    "empty-candidate": "the engine delivered no test; another engine, or a longer budget",
    "engine-crashed": "the log has the engine's last words; another interpreter (`--python`) or engine",
    "engine-unavailable": "`testwright engines` and `testwright doctor` say what is missing on the workers",
    "environment-unusable": "the interpreter cannot run pytest in the sandbox; see the log. Give another (`--python`)",
    "import-failed": "the module cannot be imported; the log has the traceback. Declare what it needs in the metadata",
    "index-unreachable": "no package index answers; check the network, proxies, and uv's settings on the workers",
    "internal-error": "a defect of testwright or of an engine; the log has the traceback. Please report it",
    "iteration-limit": "the agent took all its steps; raise `TESTWRIGHT_LLM_MAX_ITERATIONS`",
    "lane-paused": "a provider asked to be left alone; the attempt comes back by itself and costs no try",
    "model-refused": "the model's server refuses the request; the message quotes it",
    "model-unavailable": "the model's server does not answer, or fails; look at its status, or name further models",
    "name-clash": "two files of the suite have one name; report it with the engine's name",
    "no-interpreter": "no Python on the worker fits `requires-python`, or the engine (`uv python install`)",
    "no-record": "replay was asked for, and there is no record of this module",
    "nothing-generated": "the engine found nothing to say about this module; another engine, or a longer budget",
    "nothing-kept": "tests were written, and none survived verification; the result has the reason of each",
    "nothing-to-test": "the module defines nothing public; submit another one",
    "old-report": "the evidence is of a version that this one cannot run; verify it with that version",
    "out-of-memory": "engine or tests took more than the sandbox allows; submit smaller modules, or larger workers",
    "prices-unknown": "a limit of cost needs prices: set `TESTWRIGHT_LLM_INPUT_PRICE` and `…_OUTPUT_PRICE`",
    "quota-exhausted": "the account with the model's provider is empty",
    "rate-limited": "every model asks to be left alone for a while; the attempt comes back by itself and costs no try",
    "result-too-large": "the verdicts do not fit; submit smaller modules",
    "sandbox-unavailable": "the policy demands a sandbox that the worker has not; install bubblewrap, or use Docker",
    "snapshot-lost": "the sources have expired (30 days); submit again",
    "snapshot-unusable": "the sources are no archive of plain files within the limits; submit with `testwright submit`",
    "superseded": "a newer submission of the same module was made with `--supersede`",
    "target-not-importable": "the module cannot be imported where tests run; the log has the traceback",
    "timeout": "an attempt took longer than `--timeout`; allow more, or a smaller `--budget`",
    "unknown-engine": "a worker was asked for an engine that is not installed there",
    "unknown-model": "the model's server knows none of the models by these names; check them and its address",
    "unsafe-output": "the engine delivered what is no plain file of tests; nothing of it was used",
    "unsupported-python": "the engine does not run on this interpreter; give it another one (`--python`)",
    "worker-lost": "workers died on it again and again; look at their logs and memory",
}


RETRIED = {
    "agent-server-failed": "if it failed (5xx)",
    "agent-server-unreachable": "yes",
    "engine-crashed": "if a signal ended it",
    "index-unreachable": "where it may pass",
    "internal-error": "yes",
    "lane-paused": "when the provider said",
    "model-unavailable": "yes",
    "no-interpreter": "where it may pass",
    "rate-limited": "when the provider said",
    "timeout": "not an engine's own",
}
"""Causes after which the same engine is tried again, and when."""


def classes() -> Iterator[type[errors.TestwrightError]]:
    """Yield every class of error in the order of the module."""
    for thing in vars(errors).values():
        if inspect.isclass(thing) and issubclass(thing, errors.TestwrightError) and thing.__module__ == errors.__name__:
            yield thing


def failures() -> str:
    """Return the page."""
    rows = [
        [f"TW{each.number}", f"`{each.__name__}`", _exit_code(each), _meaning(each), ANSWERS[each]]
        for each in sorted(classes(), key=lambda kind: kind.number)
    ]
    causes = [[f"`{cause}`", RETRIED.get(cause, "no"), remedy] for cause, remedy in REMEDIES.items()]
    return (
        "\n".join([GENERATED, HEAD, table(["number", "error", "exit code", "when", "what to do"], rows)])
        + CAUSES
        + table(["cause", "tried again", "remedy"], causes)
    )


def _exit_code(kind: type[errors.TestwrightError]) -> str:
    return str(exit_code(kind.__new__(kind)))


def _meaning(kind: type[errors.TestwrightError]) -> str:
    return first_paragraph(prose(kind)).removeprefix("Raised when ").removeprefix("Raised ")
