"""What became of an attempt: from what the driver said, what the relay saw and which files there are. Pure."""

import math
from dataclasses import dataclass

import msgspec

from testwright.engines.openhands.lanes import Lanes
from testwright.errors import EngineError
from testwright.sandbox import Completed
from testwright_schemas import Usage, envelope


class Action(msgspec.Struct, frozen=True, tag_field="kind", tag="action"):
    """The agent did something; texts are empty where they do not apply."""

    iteration: int
    tool: str
    command: str = ""
    path: str = ""
    summary: str = ""


class Summary(msgspec.Struct, frozen=True, tag_field="kind", tag="summary"):
    """How a conversation ended.

    Attributes:
        status: of the conversation, in the SDK's words: ``finished`` proves nothing.
        interrupted: whether its time was over.
        iterations: steps that the agent took.
        code: of the conversation's error, e.g. ``MaxIterationsReached``.
        error: type of the exception that ended it.
        detail: what that says.
        classification: the SDK's own word for it.
    """

    status: str
    interrupted: bool = False
    iterations: int = 0
    code: str = ""
    error: str = ""
    detail: str = ""
    classification: str = ""


Line = Action | Summary

_DECODER = envelope.Decoder[Line](Line)


def decode(line: str) -> Line | None:
    """Return what a line of the driver says, ``None`` where it is none."""
    try:
        return _DECODER.decode(line)
    except msgspec.DecodeError:
        return None


def described(action: Action, workspace: str) -> str:
    """Return an action as one line for people."""
    path = action.path.removeprefix(workspace).lstrip("/")
    said = " ".join(part for part in (action.tool, action.command, path) if part)
    # Where the model gives no summary, the SDK puts the arguments in JSON in its place.
    if action.summary and not action.summary.startswith(f"{action.tool}: {{"):
        said = action.summary
    return f"step {action.iteration}: {said}".replace("\n", " ")[:120]


@dataclass(frozen=True, slots=True)
class Stop:
    """Why the relay answers no further call; the fields are those of ``EngineError``."""

    cause: str
    message: str
    retryable: bool = False
    retry_after_s: float | None = None
    pause_s: float | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """All that is known of an attempt once it is over.

    Attributes:
        summary: the driver's, ``None`` where it did not get that far.
        stop: why the relay answered no more.
        refused: whether the model refused to answer.
        trouble: the last error of the model's server.
        done: how the process ended.
        usage: what was spent, ``None`` where the model was not called.
    """

    summary: Summary | None
    stop: Stop | None
    refused: bool
    trouble: str
    done: Completed
    usage: Usage | None = None


PARTIAL = frozenset(
    {
        "nothing-generated",
        "agent-stuck",
        "context-overflow",
        "model-refused",
        "iteration-limit",
        "cost-limit",
        "rate-limited",
        "timeout",
    }
)
"""Ends after which the files that are there are delivered all the same: verification judges them."""


def failure_of(attempt: Attempt) -> EngineError:
    """Return why an attempt that delivers nothing has failed, with what it spent."""
    failure = _failure(attempt)
    failure.usage = attempt.usage
    return failure


def none_left(lanes: Lanes, now: float) -> Stop:
    """Return why no model can be asked now."""
    wait_s = lanes.wait_s(now)
    if math.isinf(wait_s):
        return Stop("unknown-model", "the server knows none of the models (404): check their names and its address")
    if why := lanes.broken:
        message = f"the model's server {why}: it is left alone for {wait_s:.0f} s"
        # What this machine cannot reach others may.
        pause_s = wait_s if why == "fails" else None
        return Stop("model-unavailable", message, retryable=True, pause_s=pause_s)
    message = f"too many requests: the model may be asked again in {wait_s:.0f} s"
    return Stop("rate-limited", message, retryable=True, retry_after_s=wait_s)


def stopped(stop: Stop, log: bytes = b"") -> EngineError:
    """Return a stop as the failure of an attempt."""
    return EngineError(
        stop.cause,
        stop.message,
        retryable=stop.retryable,
        log=log,
        retry_after_s=stop.retry_after_s,
        pause_s=stop.pause_s,
    )


def _failure(attempt: Attempt) -> EngineError:
    if attempt.stop:
        return stopped(attempt.stop, _log(attempt))
    if attempt.summary is None:
        return _unsummarised(attempt)
    return _summarised(attempt, attempt.summary)


def discards(attempt: Attempt) -> bool:
    """Say whether an attempt has failed whatever files there are: another try, or a mended setting, does better."""
    return _failure(attempt).cause not in PARTIAL


def _unsummarised(attempt: Attempt) -> EngineError:
    done = attempt.done
    if done.timed_out:
        return EngineError("timeout", f"the agent had not ended after {done.wall_s:.0f} s", log=_log(attempt))
    how = f"signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
    return EngineError(
        "engine-crashed", f"OpenHands ended without a word ({how})", retryable=done.returncode < 0, log=_log(attempt)
    )


_OF_ERRORS: dict[str, tuple[str, bool]] = {
    "LLMAuthenticationError": ("bad-credentials", False),
    "NotFoundError": ("unknown-model", False),
    "LLMContextWindowExceedError": ("context-overflow", False),
    "LLMContextWindowTooSmallError": ("context-overflow", False),
    "LLMContentPolicyViolationError": ("model-refused", False),
    "LLMRateLimitError": ("rate-limited", True),
    "LLMServiceUnavailableError": ("model-unavailable", True),
    "LLMTimeoutError": ("model-unavailable", True),
    "LLMBadRequestError": ("bad-model-request", False),
}


def is_rate_limit(summary: Summary) -> bool:
    """Say whether the model's server wants to be left alone; an empty account looks the same but for its words."""
    return summary.error == "LLMRateLimitError" and not _is_exhausted(summary)


def _is_exhausted(summary: Summary) -> bool:
    exhausted = ("insufficient_quota" in summary.detail, "exceeded your current quota" in summary.detail)
    return summary.error == "LLMRateLimitError" and any(exhausted)


def _summarised(attempt: Attempt, summary: Summary) -> EngineError:
    log = _log(attempt)
    told = f": {attempt.trouble or summary.detail}" if attempt.trouble or summary.detail else ""
    if summary.code == "MaxIterationsReached":
        return EngineError("iteration-limit", f"the agent was stopped after {summary.iterations} steps", log=log)
    if summary.status == "stuck":
        return EngineError("agent-stuck", f"the agent repeated itself ({summary.iterations} steps)", log=log)
    if _is_exhausted(summary):
        return EngineError("quota-exhausted", f"the account of the key has nothing left{told}", log=log)
    if summary.error in _OF_ERRORS:
        cause, retryable = _OF_ERRORS[summary.error]
        return EngineError(cause, f"{summary.error}{told}", retryable=retryable, log=log)
    if attempt.refused:
        return EngineError("model-refused", "the model refused to write tests for this module", log=log)
    if summary.interrupted:
        return EngineError("timeout", f"the time was over after {summary.iterations} steps", log=log)
    if summary.status == "finished":
        message = f"the agent said that it is done and left no test file ({summary.iterations} steps)"
        return EngineError("nothing-generated", message, log=log)
    return EngineError("engine-crashed", f"{summary.error or summary.code or summary.status}{told}", log=log)


def _log(attempt: Attempt) -> bytes:
    return attempt.done.stdout + b"\n" + attempt.done.stderr
