"""What generate says in the end."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.support import tasks
from testwright.cli import failing, report
from testwright.cli.output import console, table
from testwright.cli.report import Report
from testwright_schemas import CaseVerdict, Coverage, Mutation, Outcome, TaskError, TaskFinished, Verdict


def finished(
    outcome: Outcome = "completed", *, met: bool = True, cause: str | None = None, verdicts: tuple[Verdict, ...] = ()
) -> TaskFinished:
    cases = tuple(CaseVerdict(id=f"test_{one}", verdict=one, reason=f"is {one}") for one in verdicts)
    error = TaskError(cause=cause, message="it broke") if cause else None
    return replace(tasks.finished(), outcome=outcome, threshold_met=met, error=error, tests=cases)


def of(*results: TaskFinished | None, interrupted: bool = False) -> Report:
    made = Report(modules={f"task-{n}": "shop.pricing" for n in range(len(results))}, interrupted=interrupted)
    made.results |= {f"task-{n}": result for n, result in enumerate(results) if result}
    return made


@pytest.mark.parametrize(
    ("told", "code"),
    [
        (of(finished(), finished()), failing.OK),
        (of(finished(), finished(met=False)), failing.SHORT),
        (of(finished(), finished("failed", met=False, cause="import-failed")), failing.SHORT),
        (of(finished(), finished("failed", met=False, cause="no-interpreter")), failing.SHORT),
        (of(finished("failed", met=False, cause="no-interpreter")), failing.UNUSABLE),
        (of(finished("failed", met=False, cause="engine-unavailable")), failing.UNUSABLE),
        (of(finished(), finished("cancelled", met=False)), failing.SHORT),
        (of(finished(), None), failing.SHORT),
        (of(finished(), interrupted=True), failing.INTERRUPTED),
        (of(interrupted=True), failing.INTERRUPTED),
    ],
)
def test_the_exit_code_says_how_the_job_went(told: Report, code: int) -> None:
    assert report.exit_code(told) == code


def test_the_line_of_a_result_has_what_was_kept_and_measured() -> None:
    result = replace(
        finished(verdicts=("kept", "kept", "flaky")),
        coverage=Coverage(line=91.6, branch=75.0),
        mutation=Mutation(killed=7, total=8, score=87.5),
    )

    line = report.cells(result, [Path("/home/me/shop/tests/test_pricing.py")], Path("/home/me/shop"))

    module, outcome, kept, dropped, lines, branches, mutants, _, file = line
    assert (module, outcome, kept, dropped) == ("shop.pricing", "completed", "2", "1")
    assert (lines, branches, mutants, file) == ("92 %", "75 %", "7/8 88 %", "tests/test_pricing.py")


def test_a_result_below_its_coverage_says_so() -> None:
    assert report.cells(finished(met=False), [], Path())[1] == "below threshold"


def test_errors_and_suspected_bugs_are_told_below_the_table() -> None:
    results = {"a": finished("failed", cause="import-failed"), "b": finished(verdicts=("kept", "suspected-bug"))}

    assert report.remarks(results) == [
        "shop.pricing: import-failed: it broke",
        "shop.pricing: suspected bug: test_suspected-bug: is suspected-bug",
    ]


def test_the_document_names_what_has_not_ended() -> None:
    made = report.document(of(finished(), None, interrupted=True))

    assert made["unfinished"] == [{"id": "task-1", "module": "shop.pricing"}]
    assert [task["outcome"] for task in made["tasks"]] == ["completed"]
    assert (made["exit_code"], made["interrupted"]) == (130, True)


def test_a_table_is_never_cut_where_no_terminal_shows_it(capsys: pytest.CaptureFixture[str]) -> None:
    module = "shop." * 60 + "pricing"

    console().print(table(("module", "outcome"), [(module, "[red]completed")]))

    assert f"{module}  [red]completed" in capsys.readouterr().out
