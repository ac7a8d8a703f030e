"""Garbage is refused with the one error that each reader names, whatever it is."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.seeds import POISONS, poisoned, seeds
from tests.fuzz.targets import TARGETS

EXAMPLES = 150
every_target = pytest.mark.parametrize("name", TARGETS)


def damaged(seed: bytes) -> st.SearchStrategy[bytes]:
    """Return inputs that are nearly a good one: parts left out, repeated, or replaced."""
    cut = st.integers(0, len(seed))
    between = st.binary(max_size=40) | st.sampled_from(POISONS)
    return st.tuples(cut, cut, between).map(lambda drawn: seed[: drawn[0]] + drawn[2] + seed[drawn[1] :])


@every_target
def test_what_is_good_is_taken(name: str) -> None:
    for seed in seeds(name):
        TARGETS[name](seed)


@every_target
def test_what_is_nested_too_deep_too_long_or_no_text_is_taken_or_refused(name: str) -> None:
    for seed in seeds(name):
        for bad in poisoned(seed):
            TARGETS[name](bad)


@every_target
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_what_is_damaged_is_taken_or_refused(name: str, data: st.DataObject) -> None:
    seed = data.draw(st.sampled_from(seeds(name)))
    TARGETS[name](data.draw(damaged(seed)))


@every_target
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(noise=st.binary(max_size=400))
def test_noise_is_taken_or_refused(name: str, noise: bytes) -> None:
    TARGETS[name](noise)
