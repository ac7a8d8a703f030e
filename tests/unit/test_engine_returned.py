"""What foreign code has written is taken back only where it is what it seems to be."""

import os
from pathlib import Path

import pytest

from testwright.engines import _returned as returned
from testwright.errors import EngineError


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "test_a.py").write_text("SECRET = 1\n")
    return folder


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    (folder / "out").mkdir(parents=True)
    return folder


def test_a_plain_file_is_taken(scratch: Path) -> None:
    (scratch / "out" / "test_a.py").write_text("x = 1\n")

    assert returned.read_below(scratch, "out/test_a.py") == b"x = 1\n"
    assert list(returned.python_below(scratch, "out")) == [("test_a.py", b"x = 1\n")]


def test_a_link_to_a_file_is_not_followed(scratch: Path, secret: Path) -> None:
    (scratch / "out" / "test_a.py").symlink_to(secret / "test_a.py")

    assert returned.read_below(scratch, "out/test_a.py") is None


def test_a_folder_that_became_a_link_is_not_entered(scratch: Path, secret: Path) -> None:
    (scratch / "out").rmdir()
    (scratch / "out").symlink_to(secret)

    assert returned.read_below(scratch, "out/test_a.py") is None
    assert list(returned.python_below(scratch, "out")) == []


def test_a_second_name_of_a_file_is_not_taken(scratch: Path, secret: Path) -> None:
    os.link(secret / "test_a.py", scratch / "out" / "test_a.py")

    assert returned.read_below(scratch, "out/test_a.py") is None


def test_a_pipe_does_not_hold_us_up(scratch: Path) -> None:
    os.mkfifo(scratch / "out" / "test_a.py")

    assert returned.read_below(scratch, "out/test_a.py") is None


def test_what_is_too_long_is_not_taken(scratch: Path) -> None:
    with (scratch / "out" / "test_a.py").open("wb") as file:
        file.truncate(returned.MOST_BYTES + 1)

    assert returned.read_below(scratch, "out/test_a.py") is None


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"../test_a.py": b""}, "leaves its folder"),
        ({"/test_a.py": b""}, "leaves its folder"),
        ({"test_a.so": b""}, "no Python file"),
        ({"test_a.py": b"\xff"}, "not UTF-8"),
        ({"test_a.py": b"#" * (returned.MOST_BYTES + 1)}, "longer than"),
        ({f"test_{number}.py": b"" for number in range(returned.MOST_FILES + 1)}, "101 files"),
    ],
)
def test_what_cannot_be_a_suite_is_refused(files: dict[str, bytes], reason: str) -> None:
    with pytest.raises(EngineError, match=reason) as caught:
        returned.check(files)

    assert caught.value.cause == "unsafe-output"


def test_a_suite_passes(scratch: Path) -> None:
    returned.check({"test_a.py": b"\xef\xbb\xbfx = 'n\xc3\xa4h'\n", "inner/test_b.py": b""})
