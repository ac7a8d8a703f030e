"""What was stored a moment ago is at hand, within limits."""

from testwright.shelf import Shelf


def test_what_was_put_there_is_at_hand() -> None:
    shelf = Shelf()
    shelf.put("one", "a", b"content")
    assert (shelf.get("one", "a"), shelf.get("one", "b")) == (b"content", None)


def test_what_is_of_one_namespace_is_not_at_hand_in_another() -> None:
    shelf = Shelf()
    shelf.put("one", "a", b"content")
    assert shelf.get("another", "a") is None


def test_what_came_first_goes_first_where_there_is_too_much() -> None:
    shelf = Shelf(most_bytes=10)
    shelf.put("one", "a", b"x" * 4)
    shelf.put("one", "a", b"x" * 4)
    shelf.put("one", "b", b"x" * 4)
    assert shelf.get("one", "a") is not None

    shelf.put("one", "c", b"x" * 4)

    assert [digest for digest in "abc" if shelf.get("one", digest)] == ["b", "c"]


def test_what_is_larger_than_the_shelf_is_not_kept() -> None:
    shelf = Shelf(most_bytes=10)
    shelf.put("one", "a", b"x" * 11)
    shelf.put("one", "b", b"x")
    assert (shelf.get("one", "a"), shelf.get("one", "b")) == (None, b"x")
