"""Only test files that an agent left in its workspace are taken; nothing that it laid out leads elsewhere."""

import os
from pathlib import Path

from testwright.engines._returned import MOST_BYTES
from testwright.engines.openhands import harvest
from testwright.engines.openhands.local import PINS
from testwright.verification import runs

TEST = "def test_a():\n    assert True\n"


def write(folder: Path, name: str, text: str = TEST) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_new_and_changed_test_files_are_taken_and_nothing_else(tmp_path: Path) -> None:
    for name in ("tests/test_old.py", "tests/test_changed.py", "shop.py"):
        write(tmp_path, name)
    before = harvest.look(tmp_path)

    write(tmp_path, "tests/test_changed.py", "def test_b():\n    assert 1\n")
    write(tmp_path, "tests/generated/test_new.py")
    for other in ("shop.py", "tests/conftest.py", "tests/data.json", "tests/test_notes.txt", "tests/new_test.py"):
        write(tmp_path, other, "changed = 1\n")

    assert sorted(harvest.harvest(tmp_path, before)) == ["test_changed.py", "test_new.py"]


def test_files_of_one_name_in_two_folders_are_both_taken(tmp_path: Path) -> None:
    write(tmp_path, "a/test_x.py", "first = 1\n")
    write(tmp_path, "b/test_x.py", "second = 1\n")

    assert harvest.harvest(tmp_path, {}) == {"test_x.py": b"first = 1\n", "test_x_2.py": b"second = 1\n"}


def test_links_pipes_and_huge_files_are_left(tmp_path: Path) -> None:
    secret = write(tmp_path, "outside/test_secret.py")
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "test_link.py").symlink_to(secret)
    (workspace / "folder").symlink_to(secret.parent)
    os.mkfifo(workspace / "test_pipe.py")
    (workspace / "test_folder.py").mkdir()
    write(workspace, "test_huge.py", "#" * (MOST_BYTES + 1))

    assert harvest.harvest(workspace, {}) == {}


def test_no_more_than_so_many_files_are_taken(tmp_path: Path) -> None:
    for number in range(harvest.MOST_FILES + 5):
        write(tmp_path, f"test_{number}.py")

    assert len(harvest.harvest(tmp_path, {})) == harvest.MOST_FILES


def test_the_example_is_the_modules_own_test_file_or_any(tmp_path: Path) -> None:
    assert harvest.example(tmp_path, "shop.pricing") is None

    write(tmp_path, "tests/test_cart.py")
    assert harvest.example(tmp_path, "shop.pricing") == ("tests/test_cart.py", TEST)

    write(tmp_path, "tests/test_pricing.py")
    assert harvest.example(tmp_path, "shop.pricing") == ("tests/test_pricing.py", TEST)


def test_the_agent_runs_its_tests_with_what_verification_runs_them_with() -> None:
    assert PINS == runs.PINS


def test_names_of_accepted_files_are_given_to_no_other(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text("def test_a():\n    assert 1\n")

    assert list(harvest.harvest(tmp_path, {}, {"test_a.py"})) == ["test_a_2.py"]
