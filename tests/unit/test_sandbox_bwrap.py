"""What a run may see, as bubblewrap is told it."""

import itertools
from pathlib import Path

import pytest

from testwright.sandbox import bwrap


def _view(**changes: object) -> bwrap.View:
    fields: dict[str, object] = {
        "cwd": Path("/work"),
        "env": {"A": "1"},
        "readable": (),
        "writable": (),
        "network": False,
    }
    return bwrap.View(**(fields | changes))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  a table of changes


def _binds(arguments: list[str], path: str) -> list[str]:
    return [flag for flag, source in itertools.pairwise(arguments) if source == path and "bind" in flag]


def test_nothing_of_the_environment_but_what_is_named_gets_in() -> None:
    arguments = bwrap.arguments("bwrap", _view(), ["true"])

    assert arguments.count("--setenv") == 1
    assert arguments.index("--clearenv") < arguments.index("--setenv")


def test_the_network_is_shared_only_on_request() -> None:
    closed = bwrap.arguments("bwrap", _view(), ["true"])
    opened = bwrap.arguments("bwrap", _view(network=True), ["true"])

    assert "--unshare-all" in closed
    assert "--share-net" not in closed
    assert "/etc/resolv.conf" not in closed
    assert "--share-net" in opened
    assert "/etc/resolv.conf" in opened


def test_the_inner_of_two_nested_folders_decides() -> None:
    view = _view(readable=[Path("/a/b"), Path("/c")], writable=[Path("/a"), Path("/c/d")])

    arguments = bwrap.arguments("bwrap", view, ["true"])

    own = [path for path in arguments if path in {"/a", "/a/b", "/c", "/c/d"}]
    assert own == ["/a", "/a", "/a/b", "/a/b", "/c", "/c", "/c/d", "/c/d"]
    assert _binds(arguments, "/a") == ["--bind"]
    assert _binds(arguments, "/a/b") == ["--ro-bind"]


def test_a_folder_named_both_readable_and_writable_is_writable() -> None:
    arguments = bwrap.arguments("bwrap", _view(readable=[Path("/a")], writable=[Path("/a")]), ["true"])

    assert _binds(arguments, "/a") == ["--bind"]


def test_a_linked_folder_is_seen_under_both_names(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    link.symlink_to(real)

    arguments = bwrap.arguments("bwrap", _view(readable=[link]), ["true"])

    assert _binds(arguments, str(link)) == ["--ro-bind"]
    assert _binds(arguments, str(real)) == ["--ro-bind"]


def test_no_home_folder_is_mounted() -> None:
    arguments = bwrap.arguments("bwrap", _view(), ["true"])

    assert not [path for path in arguments if path.startswith(("/home", "/root", "/var", "/run"))]
    assert "/etc" not in arguments


def test_temporary_folders_are_limited_in_size() -> None:
    arguments = bwrap.arguments("bwrap", _view(private={Path("/run"): [Path("/run/notes")]}, scratch_bytes=7), ["true"])

    limited = [arguments[index + 3] for index, word in enumerate(arguments) if word == "--size"]
    assert limited == ["/dev/shm", "/tmp", "/run"]
    assert _binds(arguments, "/run/notes") == ["--ro-bind"]


def test_the_command_comes_last_and_untouched() -> None:
    assert bwrap.arguments("bwrap", _view(), ["-x", "a b", "é"])[-4:] == ["--", "-x", "a b", "é"]


@pytest.mark.parametrize(
    ("status", "expected"), [(0, 0), (1, 1), (128, 128), (137, -9), (143, -15), (255, 255), (-9, -9)]
)
def test_a_signal_is_told_as_subprocess_tells_it(status: int, expected: int) -> None:
    assert bwrap.returncode(status) == expected
