"""Which passing tests add something."""

from hypothesis import given
from hypothesis import strategies as st

from testwright.verification.events import Mutant
from testwright.verification.redundancy import by_gain, on_paths_of_their_own, worth_keeping

ARCS = st.dictionaries(
    st.sampled_from("abcdefgh"), st.frozensets(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=8)
)


def test_the_test_that_covers_most_comes_first() -> None:
    arcs = {"small": frozenset({(1, 2)}), "large": frozenset({(1, 2), (2, 3)}), "other": frozenset({(5, 6)})}

    assert by_gain(["small", "large", "other"], arcs) == (["large", "other"], ["small"])


def test_a_test_that_later_choices_make_superfluous_is_left_out() -> None:
    middle = frozenset({(2, 3), (3, 4), (4, 5), (5, 6)})
    arcs = {"middle": middle, "first": frozenset({(1, 2), (2, 3), (3, 4)}), "last": frozenset({(4, 5), (5, 6), (6, 7)})}

    assert by_gain(["first", "middle", "last"], arcs) == (["first", "last"], ["middle"])


@given(ARCS)
def test_the_chosen_cover_all_that_any_covers_and_each_is_needed_for_it(
    arcs: dict[str, frozenset[tuple[int, int]]],
) -> None:
    chosen, others = by_gain(list(arcs), arcs)

    assert sorted([*chosen, *others]) == sorted(arcs)
    everything = frozenset[tuple[int, int]]().union(*arcs.values())
    assert frozenset[tuple[int, int]]().union(*(arcs[case] for case in chosen)) == everything
    for case in chosen:
        rest = frozenset[tuple[int, int]]().union(*(arcs[each] for each in chosen if each != case))
        assert rest != everything


def test_a_test_that_covers_nothing_new_stays_if_it_is_the_first_to_notice_a_mutant() -> None:
    mutants = [
        Mutant(line=1, operator="", fate="killed", by="b", text=""),
        Mutant(line=1, operator="", fate="survived", by="", text=""),
        Mutant(line=2, operator="", fate="killed", by="a", text=""),
    ]

    assert worth_keeping(["a"], ["b", "c"], mutants) == {"a", "b"}


def test_where_mutants_are_left_out_a_test_on_a_path_of_its_own_stays_and_one_on_a_known_path_does_not() -> None:
    arcs = {
        "kept": frozenset({(1, 2), (2, 3)}),
        "same": frozenset({(1, 2), (2, 3)}),
        "own": frozenset({(1, 2)}),
        "own again": frozenset({(1, 2)}),
        "nothing": frozenset[tuple[int, int]](),
    }

    assert on_paths_of_their_own({"kept"}, ["same", "own", "own again", "nothing"], arcs) == ["own"]
