"""Delivery: suites reach the disk, and nothing of the user's is ever lost."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testwright.delivery import check, default_output, deliver, is_untouched, stamp
from testwright.errors import SnapshotError

SUITE = b"def test_one():\n    assert 1 + 1 == 2\n"
BETTER = b"def test_two():\n    assert 2 + 2 == 4\n"


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_suites_go_below_tests_generated_by_default() -> None:
    assert default_output(Path("project")) == Path("project/tests/generated")


def test_a_place_that_cannot_be_written_to_is_known_before_there_is_a_suite(tmp_path: Path) -> None:
    (tmp_path / "tests").write_text("")

    check(tmp_path / "new" / "generated")
    with pytest.raises(
        SnapshotError, match=r"tests is no folder that you may write to; name another one with --output"
    ):
        check(tmp_path / "tests" / "generated")


def test_a_suite_is_written_under_its_name(tmp_path: Path) -> None:
    paths = deliver({"shop/test_cart.py": SUITE, "conftest.py": BETTER}, tmp_path / "new")

    assert paths == [tmp_path / "new" / "conftest.py", tmp_path / "new" / "shop" / "test_cart.py"]
    assert paths[1].read_bytes().startswith(SUITE)
    assert is_untouched(paths[1].read_bytes())
    assert names(tmp_path / "new") == {"conftest.py", "shop/test_cart.py"}


def test_delivering_again_changes_nothing_on_disk(tmp_path: Path) -> None:
    [first] = deliver({"test_cart.py": SUITE}, tmp_path)
    before = first.stat()

    [second] = deliver({"test_cart.py": SUITE}, tmp_path)

    assert second == first
    assert (second.stat().st_ino, second.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_new_suite_replaces_ours_that_nobody_touched(tmp_path: Path) -> None:
    deliver({"test_cart.py": SUITE}, tmp_path)

    [path] = deliver({"test_cart.py": BETTER}, tmp_path)

    assert path.read_bytes() == stamp(BETTER)
    assert names(tmp_path) == {"test_cart.py"}


def test_a_handwritten_file_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "test_cart.py").write_bytes(b"# mine\n")

    [path] = deliver({"test_cart.py": SUITE}, tmp_path)

    assert path == tmp_path / "test_cart_testwright.py"
    assert (tmp_path / "test_cart.py").read_bytes() == b"# mine\n"


def test_an_edited_suite_belongs_to_whoever_edited_it(tmp_path: Path) -> None:
    [first] = deliver({"test_cart.py": SUITE}, tmp_path)
    edited = first.read_bytes().replace(b"== 2", b"== 2  # indeed")
    first.write_bytes(edited)

    [second] = deliver({"test_cart.py": BETTER}, tmp_path)
    second.write_bytes(b"# mine too\n")
    [third] = deliver({"test_cart.py": BETTER}, tmp_path)
    [fourth] = deliver({"test_cart.py": SUITE}, tmp_path)

    assert first.read_bytes() == edited
    assert [second.name, third.name, fourth.name] == [
        "test_cart_testwright.py",
        "test_cart_testwright_2.py",
        "test_cart_testwright_2.py",
    ]
    assert second.read_bytes() == b"# mine too\n"


def test_code_after_our_last_line_makes_the_file_the_users(tmp_path: Path) -> None:
    [first] = deliver({"test_cart.py": SUITE}, tmp_path)
    with first.open("ab") as file:
        file.write(b"def test_mine(): pass\n")

    [second] = deliver({"test_cart.py": BETTER}, tmp_path)

    assert second != first


def test_two_suites_of_one_delivery_never_meet_in_one_file(tmp_path: Path) -> None:
    (tmp_path / "test_cart.py").write_bytes(b"# mine\n")

    paths = deliver({"test_cart.py": SUITE, "test_cart_testwright.py": BETTER}, tmp_path)

    assert len(set(paths)) == 2
    assert {path.read_bytes() for path in paths} == {stamp(SUITE), stamp(BETTER)}


def test_data_beside_a_suite_is_written_as_it_is_and_replaces_nothing(tmp_path: Path) -> None:
    [first] = deliver({"data.json": b"{}"}, tmp_path)
    [again] = deliver({"data.json": b"{}"}, tmp_path)
    [other] = deliver({"data.json": b"[]"}, tmp_path)

    assert first == again
    assert first.read_bytes() == b"{}"
    assert other.name == "data_testwright.json"


@pytest.mark.parametrize("name", ["../test_a.py", "/tmp/test_a.py", "a/../../test_a.py", "", "."])
def test_a_name_that_leaves_the_folder_is_refused_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(SnapshotError):
        deliver({"a_good_one.py": SUITE, name: SUITE}, tmp_path / "out")

    assert names(tmp_path) == set()


def test_a_folder_that_links_elsewhere_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "shop").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(SnapshotError, match="outside"):
        deliver({"shop/test_cart.py": SUITE}, tmp_path / "out")

    assert names(tmp_path / "elsewhere") == set()


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_in_the_way_stays(tmp_path: Path, exists: bool) -> None:
    if exists:
        (tmp_path / "real.py").write_bytes(stamp(BETTER))
    (tmp_path / "test_cart.py").symlink_to(tmp_path / "real.py")

    [path] = deliver({"test_cart.py": SUITE}, tmp_path)

    assert path.name == "test_cart_testwright.py"
    assert (tmp_path / "test_cart.py").is_symlink()


def test_a_folder_in_the_way_stays(tmp_path: Path) -> None:
    (tmp_path / "test_cart.py").mkdir()

    assert [path.name for path in deliver({"test_cart.py": SUITE}, tmp_path)] == ["test_cart_testwright.py"]


def test_a_file_where_a_folder_must_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "shop").write_bytes(b"")

    with pytest.raises(SnapshotError, match="cannot be written"):
        deliver({"shop/test_cart.py": SUITE}, tmp_path)


@given(st.binary())
def test_what_was_stamped_is_known_again_and_nothing_else(content: bytes) -> None:
    assert is_untouched(stamp(content))
    assert not is_untouched(content)
    assert not is_untouched(b"x" + stamp(content))
    assert not is_untouched(stamp(content) + b"x")


def test_a_stamp_within_the_content_does_not_count() -> None:
    twice = stamp(stamp(SUITE))

    assert is_untouched(twice)
    assert not is_untouched(twice.replace(b"1 + 1", b"2 + 0"))
