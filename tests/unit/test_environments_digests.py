"""What makes two environments the same."""

from hypothesis import given
from hypothesis import strategies as st

from testwright.environments.digests import digest

parts = st.lists(st.text(max_size=5), max_size=5)


@given(parts, parts)
def test_equal_parts_and_only_they_have_equal_digests(one: list[str], other: list[str]) -> None:
    assert (digest(one) == digest(other)) == (one == other)
