"""How an attempt ended, told apart from all that is known of it; no word of the driver's is enough for success."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testwright.engines.openhands.lanes import Closures, Lanes
from testwright.engines.openhands.outcomes import (
    Action,
    Attempt,
    Stop,
    Summary,
    decode,
    described,
    discards,
    failure_of,
    none_left,
)
from testwright.sandbox import Completed
from testwright_schemas import Usage

DONE = Completed(0, b"out", b"err", 12.0, timed_out=False, isolation="bubblewrap")


def attempt(summary: Summary | None = None, **known: Any) -> Attempt:
    facts: dict[str, Any] = {"stop": None, "refused": False, "trouble": "", "done": DONE}
    return Attempt(summary, **(facts | known))


def ended(status: str, **more: Any) -> Summary:
    return Summary(status=status, **more)


@pytest.mark.parametrize(
    ("known", "cause", "retryable", "discarded"),
    [
        (attempt(ended("finished")), "nothing-generated", False, False),
        (attempt(ended("stuck")), "agent-stuck", False, False),
        (attempt(ended("error", code="MaxIterationsReached")), "iteration-limit", False, False),
        (attempt(ended("paused", interrupted=True)), "timeout", False, False),
        (attempt(ended("error", error="LLMContextWindowExceedError")), "context-overflow", False, False),
        (attempt(ended("error", error="LLMContentPolicyViolationError")), "model-refused", False, False),
        (attempt(ended("finished"), refused=True), "model-refused", False, False),
        (attempt(ended("error", error="LLMServiceUnavailableError")), "model-unavailable", True, True),
        (attempt(ended("error", error="LLMTimeoutError")), "model-unavailable", True, True),
        (attempt(ended("error", error="LLMBadRequestError")), "bad-model-request", False, True),
        (attempt(ended("error", error="KeyError")), "engine-crashed", False, True),
        (
            attempt(ended("error", error="LLMBadRequestError"), stop=Stop("rate-limited", "wait", retryable=True)),
            "rate-limited",
            True,
            False,
        ),
        (attempt(ended("error", error="LLMAuthenticationError")), "bad-credentials", False, True),
        (
            attempt(ended("error", error="LLMRateLimitError", detail="You exceeded your current quota")),
            "quota-exhausted",
            False,
            True,
        ),
        (attempt(ended("error", error="NotFoundError")), "unknown-model", False, True),
        (attempt(ended("finished"), stop=Stop("bad-credentials", "no")), "bad-credentials", False, True),
        (attempt(ended("error"), stop=Stop("cost-limit", "enough")), "cost-limit", False, False),
        (attempt(done=Completed(-9, b"", b"", 60.0, timed_out=True, isolation="none")), "timeout", False, False),
        (attempt(done=Completed(-11, b"", b"", 1.0, timed_out=False, isolation="none")), "engine-crashed", True, True),
        (attempt(done=Completed(1, b"", b"", 1.0, timed_out=False, isolation="none")), "engine-crashed", False, True),
    ],
)
def test_each_end_has_its_cause(known: Attempt, cause: str, retryable: bool, discarded: bool) -> None:
    failure = failure_of(known)

    assert (failure.cause, failure.retryable) == (cause, retryable)
    assert discards(known) is discarded


def test_a_failure_says_what_was_spent_all_the_same_and_when_to_come_back() -> None:
    usage = Usage(model="gpt", input_tokens=7, output_tokens=3, cost_usd=0.5)
    stop = Stop("rate-limited", "wait", retryable=True, retry_after_s=90.0)

    failure = failure_of(attempt(ended("error"), stop=stop, usage=usage))

    assert (failure.usage, failure.retry_after_s, failure.pause_s) == (usage, 90.0, None)
    assert failure_of(attempt(stop=replace(stop, retry_after_s=None, pause_s=60.0))).pause_s == 60.0
    assert failure_of(attempt(ended("finished"))).usage is None


def test_where_no_model_can_be_asked_it_is_told_why() -> None:
    closures = Closures()
    lanes = Lanes(["best"], closures)
    lanes.close("best", until=40.0)
    busy = none_left(lanes, 10.0)
    for _ in range(5):
        lanes.failed("best", 10.0, "fails")
    failing = none_left(lanes, 10.0)
    lanes.failed("best", 20.0, "cannot be reached")
    unreachable = none_left(lanes, 20.0)
    lanes.drop("best")

    assert (busy.cause, busy.retryable, busy.retry_after_s) == ("rate-limited", True, 30.0)
    # Another engine may do better than one whose model is out of order: that try is spent.
    assert (failing.cause, failing.retryable, failing.retry_after_s) == ("model-unavailable", True, None)
    assert (failing.pause_s, failing.message) == (60.0, "the model's server fails: it is left alone for 60 s")
    # The network may be that of this machine alone: nobody else need wait.
    assert (unreachable.cause, unreachable.retry_after_s, unreachable.pause_s) == ("model-unavailable", None, None)
    assert none_left(lanes, 10.0).cause == "unknown-model"


def test_a_failure_carries_what_was_printed_and_the_servers_last_words() -> None:
    failure = failure_of(attempt(ended("error", error="LLMServiceUnavailableError"), trouble="503: overloaded"))

    assert failure.log == b"out\nerr"
    assert "503: overloaded" in str(failure)


def test_lines_of_the_driver_are_decoded_and_others_passed_over() -> None:
    action = {"kind": "action", "iteration": 2, "tool": "terminal", "command": "ls", "later": "field"}

    assert decode(json.dumps(action)) == Action(iteration=2, tool="terminal", command="ls")
    assert decode('{"kind": "summary", "status": "finished"}') == Summary(status="finished")
    assert decode("Agent is working") is None
    assert decode('{"kind": "other"}') is None


@given(st.text())
def test_whatever_line_comes_is_decoded_or_passed_over(line: str) -> None:
    decode(line)


@pytest.mark.parametrize(
    ("action", "line"),
    [
        (Action(1, "terminal", "pytest -q"), "step 1: terminal pytest -q"),
        (Action(2, "file_editor", "create", "/w/tests/test_a.py"), "step 2: file_editor create tests/test_a.py"),
        (Action(3, "terminal", "ls", summary="look around"), "step 3: look around"),
        (Action(4, "terminal", "ls\npwd", summary='terminal: {"command": "ls"}'), "step 4: terminal ls pwd"),
    ],
)
def test_an_action_is_told_in_one_line(action: Action, line: str) -> None:
    assert described(action, "/w") == line
