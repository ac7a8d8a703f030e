"""Reads what Pynguin prints: how far it is, and why it failed."""

import re
from typing import NamedTuple

from testwright.errors import EngineError
from testwright.sandbox import Completed

_COVERAGE = re.compile(
    r"(?:Initial Population|Iteration:\s*(?P<iteration>\d{1,9})), Coverage: (?P<share>[01](?:\.\d+)?)"
)
_WRITTEN = re.compile(r"Written (?P<tests>\d{1,9}) test cases")
_SEARCH_STEP = re.compile(rb"Iteration:\s*\d+, Coverage:")
_ERROR = re.compile(r"^(?:[\w.]+\.)?(?P<type>\w+(?:Error|Exception|Interrupt|Exit))\b.*$")
_STAGES = {
    "Collecting static constants": "analysing the module and what it imports",
    "Analyzed project to create test cluster": "analysed",
    "Start generating assertions": "writing assertions",
    "Minimizing test cases": "minimising tests",
}
_TAIL_BYTES = 100_000


class Report(NamedTuple):
    """One sign of progress; coverage in percent of Pynguin's own goals."""

    message: str
    tests: int | None = None
    coverage: float | None = None


def report_of(line: str) -> Report | None:
    """Return the progress that a line of the log tells of, if any."""
    if found := _COVERAGE.search(line):
        iteration = found["iteration"]
        message = f"searching, iteration {iteration}" if iteration else "searching"
        return Report(message, coverage=round(100 * float(found["share"]), 1))
    if found := _WRITTEN.search(line):
        return Report("tests written", tests=int(found["tests"]))
    return next((Report(message) for mark, message in _STAGES.items() if mark in line), None)


def condensed(log: bytes) -> bytes:
    """Return the end of a log without the thousands of lines that report one step of the search each."""
    return b"\n".join(line for line in log.splitlines() if not _SEARCH_STEP.search(line))[-_TAIL_BYTES:]


def failure_of(done: Completed, module: str) -> EngineError:
    """Return why a run yielded no test: what the module is to blame for, then what Pynguin is."""
    text = (done.stdout + b"\n" + done.stderr).decode(errors="replace")
    log = condensed(done.stdout + b"\n" + done.stderr)
    error = _last_error(text)
    if done.timed_out:
        return EngineError("timeout", f"Pynguin was still busy after {done.wall_s:.0f} s", log=log)
    if "SUT contains nothing we can test" in text:
        return EngineError("nothing-to-test", f"{module} has no function or class that Pynguin can call", log=log)
    if done.returncode != 0 and "MemoryError" in error:
        return EngineError("out-of-memory", f"Pynguin ran out of memory on {module}", log=log)
    if error and re.search(r"Failed to (?:load|import|reload) SUT", text):
        cause = "import-failed" if _is_import_error(error) else "engine-crashed"
        return EngineError(cause, f"Pynguin cannot load {module}: {error}", log=log)
    return _crash_of(done, module, error, log, died="Worker process died" in text)


def _crash_of(done: Completed, module: str, error: str, log: bytes, *, died: bool) -> EngineError:
    if done.returncode < 0:
        message = f"Pynguin was killed by signal {-done.returncode}; the machine may be out of memory"
        return EngineError("engine-crashed", message, retryable=True, log=log)
    if died:
        return EngineError("engine-crashed", f"calling {module} ends the process of whoever calls it", log=log)
    if done.returncode in {0, 2}:
        return EngineError("nothing-generated", f"Pynguin found no test for {module}", log=log)
    return EngineError("engine-crashed", f"Pynguin failed: {error or f'exit code {done.returncode}'}", log=log)


def _is_import_error(error: str) -> bool:
    return error.startswith(("ImportError", "ModuleNotFoundError"))


def _last_error(text: str) -> str:
    lines = [line for line in text.splitlines() if _ERROR.match(line) or line.strip() == "MemoryError"]
    return lines[-1] if lines else ""
