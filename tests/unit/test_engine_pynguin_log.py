"""How Pynguin's log is read."""

import pytest

from testwright.engines._pynguin_log import Report, condensed, failure_of, report_of
from testwright.sandbox import Completed

STEP = "[INFO] [Worker-1](pynguin.ga.searchobserver:after_search_iteration:81): Iteration:     {}, Coverage: 0.5"


def completed(log: str, returncode: int = 1, *, timed_out: bool = False) -> Completed:
    return Completed(returncode, log.encode(), b"", 12.0, timed_out, "bubblewrap")


@pytest.mark.parametrize(
    ("line", "report"),
    [
        (STEP.format(7), Report("searching, iteration 7", coverage=50.0)),
        ("...: Initial Population, Coverage: 0.245033", Report("searching", coverage=24.5)),
        ("...: Start generating assertions", Report("writing assertions")),
        ("...: Written 63 test cases to /out/test_x.py", Report("tests written", tests=63)),
        ("...: Using seed 42", None),
        (f"...: Written {'9' * 5000} test cases", None),
        (f"...: Initial Population, Coverage: {'9' * 5000}", None),
        ("", None),
    ],
)
def test_a_line_tells_how_far_the_search_is(line: str, report: Report | None) -> None:
    assert report_of(line) == report


def test_the_kept_log_has_no_line_for_each_step_of_the_search() -> None:
    log = "\n".join(["begin", *(STEP.format(n) for n in range(1000)), "end"])

    assert condensed(log.encode()) == b"begin\nend"


@pytest.mark.parametrize(
    ("log", "returncode", "cause", "retryable"),
    [
        ("SUT contains nothing we can test.", 1, "nothing-to-test", False),
        ("Failed to load SUT: x\nModuleNotFoundError: No module named 'orjson'", 1, "import-failed", False),
        ("Failed to load SUT: x\nValueError: Failed to compute stacksize", 1, "engine-crashed", False),
        ("Failed to load SUT: x\nMemoryError", 1, "out-of-memory", False),
        ("Worker process died, restarting (3)", 2, "engine-crashed", False),
        ("Written 0 test cases to x", 2, "nothing-generated", False),
        ("Written 0 test cases to x", 0, "nothing-generated", False),
        ("", -9, "engine-crashed", True),
        ("error: argument --seed", 1, "engine-crashed", False),
    ],
)
def test_each_way_to_fail_has_its_cause(log: str, returncode: int, cause: str, retryable: bool) -> None:
    failure = failure_of(completed(log, returncode), "shop")

    assert (failure.cause, failure.retryable) == (cause, retryable)
    assert log.encode() in failure.log


def test_being_stopped_at_the_limit_is_a_timeout_whatever_the_log_says() -> None:
    failure = failure_of(completed("Worker process died", -9, timed_out=True), "shop")

    assert (failure.cause, failure.retryable) == ("timeout", False)


def test_an_import_failure_says_what_is_missing() -> None:
    failure = failure_of(completed("Failed to load SUT: x\nModuleNotFoundError: No module named 'orjson'"), "shop")

    assert "No module named 'orjson'" in str(failure)
