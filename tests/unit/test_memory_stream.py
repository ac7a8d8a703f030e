"""Subjects with wildcards, as NATS matches them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testwright.bus._filters import compile_filters

TOKENS = st.lists(st.text("ab-_+(|", min_size=1, max_size=3), min_size=1, max_size=4)


@pytest.mark.parametrize(
    ("pattern", "subject", "matched"),
    [
        ("a.b", "a.b", True),
        ("a.b", "a.b.c", False),
        ("a.*", "a.b", True),
        ("a.*", "a", False),
        ("a.*", "a.b.c", False),
        ("*.b", "a.b", True),
        ("a.>", "a.b.c", True),
        ("a.>", "a.b", True),
        ("a.>", "a", False),
        (">", "a", True),
        ("a.b", "axb", False),
    ],
)
def test_a_star_is_one_token_and_an_angle_at_the_end_one_or_more(pattern: str, subject: str, matched: bool) -> None:
    assert (compile_filters([pattern]).fullmatch(subject) is not None) is matched


@given(TOKENS, st.data())
def test_a_subject_matches_itself_with_any_tokens_made_wild(tokens: list[str], data: st.DataObject) -> None:
    wild = [data.draw(st.sampled_from([token, "*"])) for token in tokens]
    cut = data.draw(st.integers(0, len(tokens) - 1))
    subject = ".".join(tokens)

    assert compile_filters([".".join(wild)]).fullmatch(subject)
    assert compile_filters([".".join([*wild[:cut], ">"])]).fullmatch(subject)
    assert not compile_filters([".".join([*wild, "*"])]).fullmatch(subject)


@given(TOKENS, TOKENS)
def test_several_filters_match_what_any_of_them_matches(one: list[str], other: list[str]) -> None:
    wanted = compile_filters([".".join(one), ".".join(other)])

    assert wanted.fullmatch(".".join(one))
    assert wanted.fullmatch(".".join(other))
    assert not wanted.fullmatch(".".join([*one, *other, "extra"]))
