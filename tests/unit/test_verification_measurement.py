"""What a measured run says of each test, whoever else has something to say."""

from testwright.verification.events import Covered, Measured
from testwright.verification.measurement import measurement

TOTAL = Measured(
    statements=4, covered_statements=3, branches=2, covered_branches=1, missing_lines=[4], missing_branches=[(3, 4)]
)


def covered(case: str, lines: list[int], file: str = "test_a.py") -> Covered:
    return Covered(case=case, file=file, lines=lines, arcs=[(line, line + 1) for line in lines])


def test_a_run_that_did_not_come_to_its_end_measured_nothing() -> None:
    assert measurement([covered("test_a.py::test_x", [1])]) is None


def test_who_imports_the_target_has_the_merit_of_that() -> None:
    found = measurement([covered("", [1, 2], file=""), covered("test_a.py::test_x", [2, 3]), TOTAL])

    assert found is not None
    assert found.import_lines == [1, 2]
    assert found.arcs == {"test_a.py::test_x": {(2, 3), (3, 4)}}
    assert found.covered_lines == (1, 2, 3)


def test_what_the_import_of_a_file_runs_may_be_noticed_by_its_tests_and_is_not_their_merit() -> None:
    found = measurement([covered("", [1], file=""), covered("", [1, 2]), covered("test_a.py::test_x", [3]), TOTAL])

    assert found is not None
    assert found.import_lines == [1]
    assert found.lines == {"test_a.py::test_x": [2, 3]}
    assert found.arcs == {"test_a.py::test_x": {(3, 4)}}


def test_what_one_file_says_takes_nothing_from_the_tests_of_another() -> None:
    greedy = covered("", [1, 2, 3], file="test_b.py")

    found = measurement([greedy, covered("test_a.py::test_x", [2, 3]), TOTAL])

    assert found is not None
    assert found.lines == {"test_a.py::test_x": [2, 3]}
    assert found.arcs == {"test_a.py::test_x": {(2, 3), (3, 4)}}


def test_coverage_is_that_of_all_together() -> None:
    found = measurement([TOTAL])

    assert found is not None
    assert (found.coverage.line, found.coverage.branch) == (75.0, 50.0)
