"""The ledger of an attempt: it never lets more be spent than was allowed, and never invents a number."""

from hypothesis import given
from hypothesis import strategies as st

from testwright.engines.openhands.spending import Ledger, Prices, Tokens

PRICES = Prices(input_usd=3.0, output_usd=15.0)


def spend(ledger: Ledger, tokens: Tokens | None, size: int = 3000, most_output: int = 100) -> bool:
    reserved = ledger.reserve(size, most_output)
    if reserved:
        ledger.settle(reserved, tokens)
    return reserved is not None


def test_what_answers_take_is_added_up_and_priced() -> None:
    ledger = Ledger(PRICES)

    spend(ledger, Tokens(1_000_000, 100_000))
    spend(ledger, Tokens(1_000_000, 0))

    usage = ledger.usage("m", 2.0)
    assert (usage.model, usage.input_tokens, usage.output_tokens) == ("m", 2_000_000, 100_000)
    assert usage.cost_usd == 7.5


def test_cost_is_unknown_without_prices() -> None:
    ledger = Ledger()

    spend(ledger, Tokens(10, 10))

    assert ledger.usage("m", 0.0).cost_usd is None
    assert ledger.usage("m", 0.0).input_tokens == 10


def test_one_answer_that_does_not_say_what_it_took_makes_the_sum_unknown() -> None:
    ledger = Ledger(PRICES)

    spend(ledger, Tokens(10, 10))
    spend(ledger, None)

    usage = ledger.usage("m", 0.0)
    assert (usage.input_tokens, usage.output_tokens, usage.cost_usd) == (None, None, None)


def test_a_call_that_might_cost_more_than_is_left_is_refused_before_it_is_made() -> None:
    # 3000 bytes are taken for 1001 tokens: 0.003003 dollars, and 100 tokens of an answer for 0.0015
    assert Ledger(PRICES, limit_usd=0.0045).reserve(3000, 100) is None
    assert Ledger(PRICES, limit_usd=0.0046).reserve(3000, 100) is not None


def test_calls_side_by_side_cannot_overspend_together() -> None:
    ledger = Ledger(PRICES, limit_usd=0.0046)

    first = ledger.reserve(3000, 100)
    second = ledger.reserve(3000, 100)

    assert first is not None
    assert second is None


def test_a_call_that_was_not_answered_costs_nothing() -> None:
    ledger = Ledger(PRICES, limit_usd=0.0046)
    first = ledger.reserve(3000, 100)
    assert first

    ledger.release(first)

    assert ledger.reserve(3000, 100) is not None
    assert ledger.cost_usd == 0.0


def test_what_is_unknown_counts_in_full_against_the_limit() -> None:
    ledger = Ledger(PRICES, limit_usd=0.0089)

    assert spend(ledger, None)
    assert not spend(ledger, None)


def test_the_size_of_a_call_is_learnt_from_answers() -> None:
    ledger = Ledger(PRICES, limit_usd=0.05)

    assert spend(ledger, Tokens(3000, 0))  # a token for each byte
    assert spend(ledger, Tokens(3000, 0), size=3000, most_output=0)
    assert ledger.reserve(11_000, 0) is None  # would do at a third of a token
    assert ledger.reserve(10_000, 0) is not None


@given(
    st.lists(st.tuples(st.integers(0, 50_000), st.integers(0, 8000), st.floats(0, 1), st.booleans()), max_size=30),
    st.floats(0, 1),
)
def test_never_more_is_spent_than_was_allowed(calls: list[tuple[int, int, float, bool]], limit_usd: float) -> None:
    ledger = Ledger(PRICES, limit_usd)
    spent = 0.0

    for size, most_output, share, answered in calls:
        reserved = ledger.reserve(size, most_output)
        if reserved and answered:
            took = Tokens(int(reserved.tokens.input * share), int(most_output * share))
            ledger.settle(reserved, took)
            spent += PRICES.cost(took)
        elif reserved:
            ledger.release(reserved)

    assert spent <= limit_usd + 1e-9


def test_a_call_that_might_use_more_tokens_than_are_left_is_refused() -> None:
    ledger = Ledger(None, None, 1000)

    assert ledger.reserve(900, 700) is None
    assert spend(ledger, Tokens(300, 100), size=900, most_output=200)
    assert ledger.reserve(900, 400) is None


def test_tokens_that_were_used_without_asking_count() -> None:
    ledger = Ledger(None, None, 1000)

    assert ledger.note(Tokens(400, 100))
    assert not ledger.note(Tokens(400, 100))
