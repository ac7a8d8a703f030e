"""What attempts may still cost, as decisions on what was spent."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from tests.support.tasks import NOW, POLICY, failed, first, history, started, submitted, verified
from testwright.collector import budgets
from testwright.collector.core import decide
from testwright_schemas import GenerateSuite, Policy, Publish, TaskFinished, Usage

LATER = NOW + timedelta(minutes=1)
LIMITED = replace(POLICY, max_cost_usd=1.0, max_tokens=1000)
PART = Usage(model="m", input_tokens=100, output_tokens=100, cost_usd=0.25)


def test_the_first_attempt_may_have_all_of_it():
    assert budgets.exhausted(LIMITED, Usage()) is None
    assert budgets.left(LIMITED, Usage()) == LIMITED


def test_the_next_one_gets_what_is_left():
    rest = budgets.left(LIMITED, PART)

    assert (rest.max_cost_usd, rest.max_tokens) == (0.75, 800)
    assert budgets.exhausted(LIMITED, PART) is None


@pytest.mark.parametrize(
    ("spent", "said"),
    [
        (replace(PART, cost_usd=1.0), "1 USD are spent of the 1 USD"),
        (replace(PART, cost_usd=None), "an unknown amount is spent of the 1 USD"),
        (replace(PART, input_tokens=900), "1000 are used of the 1000 tokens"),
        (replace(PART, output_tokens=None), "an unknown number is used of the 1000 tokens"),
    ],
)
def test_nothing_is_left_where_it_is_spent_or_nobody_knows(spent: Usage, said: str):
    error = budgets.exhausted(LIMITED, spent)

    assert error is not None
    assert error.cause == "budget-exhausted"
    assert said in error.message


def test_what_has_no_limit_is_never_exhausted():
    assert budgets.exhausted(Policy(), replace(PART, cost_usd=None)) is None
    assert budgets.left(Policy(), PART) == Policy()


def test_an_engine_without_a_model_spends_nothing():
    assert budgets.exhausted(LIMITED, Usage(wall_s=100)) is None


def test_an_attempt_that_cannot_be_paid_for_is_not_begun_and_what_was_accepted_is_delivered():
    weak = replace(verified(line=50.0), usage=replace(PART, cost_usd=1.0))
    nothing = replace(failed(retryable=False), usage=replace(PART, cost_usd=None))

    ends = [
        decide(history(submitted(LIMITED), started(), event), event, LATER)
        for event in (weak, nothing, replace(failed(), usage=replace(PART, cost_usd=None)))
    ]

    results = [end.message for [end] in ends if isinstance(end, Publish)]
    assert [result.outcome for result in results if isinstance(result, TaskFinished)] == [
        "completed",
        "failed",
        "failed",
    ]
    errors = [result.error for result in results if isinstance(result, TaskFinished)]
    assert [error.cause for error in errors if error] == ["budget-exhausted"] * 3


def test_a_work_item_says_what_is_left():
    event = replace(failed(first(), retryable=False), usage=PART)

    [publish] = decide(history(submitted(LIMITED), started(), event), event, LATER)

    assert isinstance(publish, Publish)
    assert isinstance(publish.message, GenerateSuite)
    assert publish.message.policy.max_cost_usd == 0.75
