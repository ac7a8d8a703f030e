"""From outcomes of runs to verdicts."""

from testwright.verification.candidate import Case
from testwright.verification.conditions import REFERENCE, conditions
from testwright.verification.events import Finished, Mutant, decode
from testwright.verification.judging import Outcome, Second, combine, judge, unstable
from testwright.verification.redundancy import by_gain, worth_keeping

CASE = Case("t.py::test_it", ("test_it",), is_property=False, flaw="")
PASSED = {CASE.id: Outcome("passed")}
FAILED = {CASE.id: Outcome("failed", "assertion", "assert 1 == 2")}
CRASHED = {CASE.id: Outcome("failed", "crash", "KeyError: 1")}


def verdict(*runs: dict[str, Outcome], second: Second | None = None, case: Case = CASE) -> str:
    alone, *repeats = runs
    judged = judge(case, alone, repeats, second)
    return judged.verdict if judged else "passing"


def test_a_test_that_passes_throughout_has_no_verdict_yet() -> None:
    assert verdict(PASSED, PASSED, PASSED) == "passing"


def test_a_test_whose_own_assertion_always_fails_may_have_found_a_bug() -> None:
    assert verdict(FAILED, FAILED, FAILED) == "suspected-bug"


def test_a_test_that_always_crashes_is_failing() -> None:
    assert verdict(CRASHED, CRASHED) == "failing"


def test_a_property_that_crashes_the_target_may_have_found_a_bug() -> None:
    drawn = Case(CASE.id, CASE.names, is_property=True, flaw="asserts nothing that can fail")

    assert verdict(CRASHED, CRASHED, case=drawn) == "suspected-bug"
    assert verdict(PASSED, PASSED, case=drawn) == "vacuous"


def test_a_test_that_fails_only_by_chance_is_flaky() -> None:
    second = Second(alone=PASSED, order=PASSED, shuffled=PASSED)

    assert verdict(PASSED, PASSED, FAILED, second=second) == "flaky"


def test_a_test_that_changes_its_mind_in_equal_conditions_is_flaky() -> None:
    assert verdict(PASSED, PASSED, FAILED, second=Second(FAILED, PASSED, FAILED)) == "flaky"
    assert verdict(PASSED, PASSED, FAILED, second=Second(PASSED, FAILED, FAILED)) == "flaky"


def test_a_test_that_fails_alone_each_time_and_never_with_others_depends_on_order() -> None:
    assert verdict(FAILED, PASSED, PASSED, second=Second(FAILED, PASSED, PASSED)) == "order-dependent"


def test_a_test_that_fails_in_one_order_each_time_depends_on_order() -> None:
    assert verdict(PASSED, PASSED, FAILED, second=Second(PASSED, PASSED, FAILED)) == "order-dependent"


def test_how_a_run_alone_ends_decides_first() -> None:
    for name, expected in {"hung": "too-slow", "died": "unsafe", "skipped": "vacuous", "xpassed": "vacuous"}.items():
        outcome = Outcome(name)  # type: ignore[arg-type]  # the names come from the table above
        assert verdict({CASE.id: outcome}, PASSED) == expected


def test_a_test_that_pytest_does_not_find_is_not_collected() -> None:
    assert verdict({}, {}) == "not-collected"


def test_a_test_is_as_good_as_its_worst_parameters() -> None:
    events = [Finished(case="a", outcome="passed"), Finished(case="a", outcome="failed", reason="x")]

    assert combine(events) == {"a": Outcome("failed", "", "x")}


def test_only_tests_that_did_not_always_do_the_same_are_looked_at_again() -> None:
    steady, wavering = Outcome("failed"), Outcome("passed")

    assert unstable({"a": steady, "b": wavering}, [{"a": steady, "b": wavering}, {"a": steady}]) == ["b"]


def test_every_repeat_differs_from_the_first_and_from_the_others() -> None:
    each = conditions(8, seed=3)

    assert each[0] == REFERENCE
    assert len({condition.describe() for condition in each}) == 8
    assert len({condition.hash_seed for condition in each}) == 8
    assert {condition.shuffle is None for condition in each} == {True, False}
    assert {condition.cluttered for condition in each} == {True, False}


def test_tests_are_chosen_for_what_they_add() -> None:
    arcs = {"small": {(1, 2)}, "large": {(1, 2), (2, 3)}, "other": {(4, 5)}, "none": set[tuple[int, int]]()}

    chosen, others = by_gain(list(arcs), {case: frozenset(taken) for case, taken in arcs.items()})

    assert (chosen, others) == (["large", "other"], ["small", "none"])


def test_a_test_that_adds_no_coverage_stays_if_it_is_first_to_notice_a_mutant() -> None:
    noticed = [
        Mutant(line=1, operator="x", fate="killed", by="sharp", text=""),
        Mutant(line=2, operator="x", fate="survived", by="", text=""),
    ]

    assert worth_keeping(["wide"], ["sharp", "dull"], noticed) == {"wide", "sharp"}


def test_lines_that_are_not_ours_are_no_events() -> None:
    ours = '{"type":"finished","case":"a","outcome":"passed"}'

    assert decode(f"token {ours}", "token") == Finished(case="a", outcome="passed")
    assert decode(f"other {ours}", "token") is None
    assert decode('token {"type":"finished"}', "token") is None
    assert decode("", "token") is None
