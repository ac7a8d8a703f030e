"""Who may pass a gate, as decisions on its state."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.support.tasks import NOW, finished, submitted
from testwright.collector import gates
from testwright.collector.gates import Gate, Limit
from testwright_schemas import GateMoved, LimitsSet, Policy, Usage, subjects

PAID = Usage(model="m", cost_usd=0.25)


def gate(*taken: str, places: int | None = 2, money: float | None = None, price_usd: float = 1.0) -> GateMoved:
    """Return a gate with these tasks inside."""
    limit = Limit(places=places, max_cost_usd=money)
    state = gates.under(None, Gate(namespace="default", kind="job", name="job-1", limit=limit))
    for task_id in taken:
        state = gates.let_in(state, task_id, price_usd)
    return state


def test_a_job_without_limits_has_no_gate():
    assert gates.gates_of(submitted(), None) == ()


def test_a_task_passes_the_gate_of_its_job_before_that_of_its_namespace():
    task = replace(submitted(), concurrency=2)
    limits = gates.gate_of_namespace("default", LimitsSet(namespace="default", places=3, set_at=NOW))

    ways = gates.gates_of(task, limits)

    assert [(way.kind, way.limit.places) for way in ways] == [("job", 2), ("namespace", 3)]
    assert gates.behind(ways, "job") == ways[1:]
    assert gates.behind(ways, "namespace") == ()


def test_a_job_with_a_key_has_its_places_at_the_gate_of_the_key_and_only_its_budget_at_its_own():
    keyed = replace(submitted(), concurrency=2, concurrency_key="database")
    limits = gates.gate_of_namespace("default", LimitsSet(namespace="default", places=3, set_at=NOW))

    ways = gates.gates_of(replace(keyed, job_cost_usd=1.5), limits)

    assert [(way.kind, way.limit.places) for way in ways] == [("job", None), ("key", 2), ("namespace", 3)]
    assert ways[1].name == "database"
    assert gates.behind(ways, "job") == ways[1:]
    assert gates.behind(ways, "key") == ways[2:]
    assert gates.gates_of(keyed, None) == ways[1:2]


def test_a_task_waits_while_all_places_are_taken():
    assert gates.answer(gate("a"), 0) == "yes"
    assert gates.answer(gate("a", "b"), 0) == "wait"


def test_nobody_passes_those_that_queue():
    queued = gates.known(gate("a"), "low", 7)

    assert not gates.is_open(queued, 0)
    assert gates.is_open(gates.passed(queued, "low", 7), 0)


def test_those_of_a_higher_priority_are_let_in_first():
    state = gates.known(gates.known(gate(), "low", 7), "critical", 9)

    assert gates.next_queue(state) == "critical"
    assert gates.next_queue(gates.passed(state, "critical", 9)) == "low"


def test_a_queue_that_is_known_further_already_is_not_forgotten():
    assert gates.known(gates.known(gate(), "low", 9), "low", 7).tails == {"low": 9}


def test_a_task_waits_until_what_is_reserved_for_others_turns_out_to_be_left():
    state = gate("a", money=1.5)

    assert gates.answer(state, 1.0) == "wait"
    after = gates.left(state, replace(finished(task_id="a"), usage=PAID))
    assert after.spent_usd == 0.25
    assert gates.answer(after, 1.0) == "yes"


def test_a_task_that_can_never_be_paid_for_is_refused():
    state = gates.let_in(replace(gate(money=1.0), spent_usd=0.5), "b", 0.75)

    assert state.refused == ("b",)
    assert not state.taken


def test_a_budget_that_is_lowered_below_what_is_spent_lets_in_what_costs_nothing_and_refuses_the_rest():
    spent = replace(gate("a", money=10.0), spent_usd=5.0)
    lowered = gates.under(spent, Gate(namespace="default", kind="job", name="job-1", limit=Limit(max_cost_usd=3.0)))

    assert (gates.answer(spent, 1.0), gates.answer(lowered, 1.0), gates.answer(lowered, 0.0)) == ("yes", "never", "yes")
    assert gates.let_in(lowered, "b", 1.0).refused == ("b",)
    assert gates.left(lowered, finished()).spent_usd == 5.0
    assert gates.left(lowered, replace(finished(task_id="a"), usage=PAID)).spent_usd == 5.25


def test_an_unknown_cost_counts_as_what_was_reserved_and_never_as_nothing():
    unknown = replace(finished(task_id="a"), usage=Usage(model="m"))
    unsettled = replace(finished(task_id="a"), usage=PAID, unsettled=True)
    free = finished(task_id="a")

    assert [gates.left(gate("a"), end).spent_usd for end in (unknown, unsettled, free)] == [1.0, 1.0, 0.0]


def test_a_task_leaves_once():
    state = gates.left(gate("a", "b"), finished(task_id="a"))

    assert gates.left(state, finished(task_id="a")) == state


def test_another_period_counts_from_nothing():
    spent = replace(gate(money=1.0), spent_usd=1.0, period="october")
    way = Gate(namespace="default", kind="namespace", name="default", limit=Limit(max_cost_usd=1.0, period="november"))

    assert gates.under(spent, way).spent_usd == 0
    assert gates.answer(gates.under(spent, way), 1.0) == "yes"


def test_places_by_default_count_for_a_namespace_without_limits_only():
    limits = LimitsSet(namespace="default", tasks=9, set_at=NOW)

    assert gates.gate_of_namespace("default", None, 2).limit.places == 2
    assert gates.gate_of_namespace("default", limits, 2).limit.places is None
    assert gates.gate_of_namespace("default", None).limit.places is None


def test_costs_are_not_forgotten_while_limits_are_taken_away():
    limited = LimitsSet(namespace="default", max_cost_usd=1.0, period="november", set_at=NOW)
    spent = replace(gates.under(None, gates.gate_of_namespace("default", limited)), spent_usd=1.0)

    meanwhile = gates.under(spent, gates.gate_of_namespace("default", None, 2))
    again = gates.under(meanwhile, gates.gate_of_namespace("default", limited))

    assert gates.answer(meanwhile, 0.5) == "yes"
    assert gates.answer(again, 0.5) == "never"


def test_moves_for_one_task_that_differ_in_others_are_two_messages():
    one, same, other = (gates.known(gate("a"), "normal", sequence) for sequence in (7, 7, 8))

    assert subjects.message_id(one) == subjects.message_id(same)
    assert subjects.message_id(one) != subjects.message_id(other)


def test_what_a_task_may_cost_is_reserved_for_it():
    assert gates.price(submitted(Policy(max_cost_usd=2.5))) == 2.5
    assert gates.price(submitted()) == 0


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0, 1), st.booleans())), st.integers(1, 4), st.floats(0, 10))
def test_whatever_comes_and_leaves_places_and_money_suffice(
    visits: list[tuple[float, float, bool]], places: int, money: float
):
    state = gate(places=places, money=money)
    for number, (price_usd, share, leaves) in enumerate(visits):
        if gates.answer(state, price_usd) != "wait":
            state = gates.let_in(state, f"task-{number}", price_usd)
        if leaves and state.taken:
            task_id, reserved = next(iter(state.taken.items()))
            usage = Usage(model="m", cost_usd=reserved * share)
            state = gates.left(state, replace(finished(task_id=task_id), usage=usage))
        assert len(state.taken) <= places
        assert state.spent_usd + sum(state.taken.values()) <= money + 0.001
