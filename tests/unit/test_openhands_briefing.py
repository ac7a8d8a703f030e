"""What a later round tells the agent: what is missing and where, what goes unnoticed, what was thrown away and why."""

from hypothesis import given
from hypothesis import strategies as st

from testwright.engines.openhands.briefing import (
    CONTEXT,
    MOST_NAMED,
    MOST_OF_A_LINE,
    MOST_OF_A_REASON,
    MOST_SHOWN,
    briefing,
)
from testwright_schemas import Brief
from testwright_schemas.suite import Artifact, CaseVerdict, Survivor

SOURCE = "\n".join(f"line_{number} = {number}" for number in range(1, 41))


def accepted(*names: str) -> tuple[Artifact, ...]:
    return tuple(Artifact(name=name, digest="0" * 64, size=1) for name in names)


def test_accepted_files_are_named_and_must_not_be_repeated() -> None:
    text = briefing(Brief(line=61.5, accepted=accepted("test_shop.py", "test_till.py")), SOURCE)

    assert "test_shop.py, test_till.py" in text
    assert "61.5 % line coverage" in text
    assert "Do not repeat" in text


def test_where_nothing_was_accepted_that_is_said() -> None:
    assert "no test of the rounds before was accepted" in briefing(Brief(), SOURCE)


def test_missing_lines_are_marked_in_the_source_around_them() -> None:
    text = briefing(Brief(missing_lines=(3, 4, 20)), SOURCE)

    assert "no accepted test runs: 3-4, 20." in text
    assert "  >    3 line_3 = 3\n  >    4 line_4 = 4\n       5 line_5 = 5" in text
    assert "       6 line_6 = 6\n    ...\n      18 line_18 = 18" in text
    assert "line_7 " not in text


def test_missing_branches_are_named_with_where_they_lead() -> None:
    text = briefing(Brief(missing_branches=((3, 5), (7, -2))), SOURCE)

    assert "3 → 5, 7 → the end" in text


def test_changes_that_go_unnoticed_are_named_with_their_line() -> None:
    survivor = Survivor(line=3, operator="< becomes <=", text="    if pieces < 1:")

    assert "- line 3, < becomes <=: `if pieces < 1:`" in briefing(Brief(survivors=(survivor,)), SOURCE)


def test_rejected_tests_come_with_why_and_the_end_of_their_output() -> None:
    output = "setup\n" * 1000 + "E   assert 1 == 2\nE   +  where 1 = f()"
    rejected = (
        CaseVerdict(id="test_shop.py::test_a", verdict="failing", reason=output),
        CaseVerdict(id="test_shop.py::test_b", verdict="vacuous", reason="asserts nothing"),
    )

    text = briefing(Brief(rejected=rejected), SOURCE)

    assert "- test_shop.py::test_a (failing):\n" in text
    assert "    E   assert 1 == 2\n    E   +  where 1 = f()" in text
    assert "- test_shop.py::test_b (vacuous): asserts nothing" in text


@given(
    st.builds(
        Brief,
        missing_lines=st.lists(st.integers(-5, 5000), max_size=500).map(tuple),
        missing_branches=st.lists(st.tuples(st.integers(1, 5000), st.integers(-5000, 5000)), max_size=200).map(tuple),
        survivors=st.lists(st.builds(Survivor, line=st.integers(), operator=st.text(max_size=40), text=st.text())).map(
            tuple
        ),
        rejected=st.lists(
            st.builds(CaseVerdict, id=st.text(max_size=100), verdict=st.just("failing"), reason=st.text())
        ).map(tuple),
    ),
    st.text(),
)
def test_whatever_is_left_to_do_fits_into_a_prompt(brief: Brief, source: str) -> None:
    shown = MOST_SHOWN * 2 * (MOST_OF_A_LINE + 10)
    named = MOST_NAMED * (200 + MOST_OF_A_LINE + 5 * MOST_OF_A_REASON + 200)

    assert len(briefing(brief, source)) < shown + named + 1000


def test_of_a_long_list_the_first_are_named_and_the_rest_counted() -> None:
    lines = tuple(range(1, 4 * MOST_NAMED, 2 * CONTEXT + 3))
    branches = tuple((line, line + 1) for line in range(1, MOST_NAMED + 6))

    text = briefing(Brief(missing_lines=lines, missing_branches=branches), SOURCE)

    assert "and 5 more" in text
