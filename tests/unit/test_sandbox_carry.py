"""What a run has left in memory comes to the disk as plain files below its folders, whatever it says that they are."""

import io
import os
import struct
from pathlib import Path

import pytest

from testwright.sandbox import carry

ROOM = 1 << 20


def header(number: int, name: bytes, size: int) -> bytes:
    return struct.pack(">HHQ", number, len(name), size) + name


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "folder"
    made.mkdir()
    return made


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def sent(*folders: Path, seen: carry.Seen | None = None, most_bytes: int = ROOM) -> io.BytesIO:
    """Return what is sent of folders; it has to fit into a pipe."""
    reading, writing = os.pipe()
    carry.send(writing, [("", str(each)) for each in folders], seen or set(), most_bytes)
    with os.fdopen(reading, "rb") as stream:
        return io.BytesIO(stream.read())


def test_what_is_new_and_what_has_changed_comes_back_and_what_was_there_does_not(tmp_path: Path, folder: Path) -> None:
    held = tmp_path / "held"
    (held / "tests").mkdir(parents=True)
    for name in ("kept", "changed", "gone"):
        (held / "tests" / name).write_text("old")
    seen = carry.fill([(str(held), str(folder))])
    (folder / "tests" / "changed").write_text("new")
    (folder / "tests" / "gone").unlink()
    (folder / "out").mkdir()
    (folder / "out" / "test_a.py").write_bytes(b"assert True\n")

    carry.take(sent(folder, seen=seen), [held], ROOM)

    assert names(held) == ["out/test_a.py", "tests/changed", "tests/gone", "tests/kept"]
    assert (held / "tests" / "changed").read_text() == "new"
    assert (held / "out" / "test_a.py").read_bytes() == b"assert True\n"


def test_only_plain_files_come_back(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "up").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe")
    (folder / "plain").write_text("plain")
    to = tmp_path / "to"

    carry.take(sent(folder), [to], ROOM)

    assert names(to) == ["plain"]


def test_files_that_do_not_fit_stay_away_and_the_others_come(tmp_path: Path, folder: Path) -> None:
    (folder / "huge").touch()
    os.truncate(folder / "huge", ROOM + 1)
    (folder / "z").write_text("small")
    to = tmp_path / "to"

    carry.take(sent(folder), [to], ROOM)

    assert names(to) == ["z"]


def test_no_more_than_so_many_files_come_back(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carry, "MOST_FILES", 3)
    for number in range(5):
        (folder / f"{number}").touch()
    to = tmp_path / "to"

    carry.take(sent(folder), [to], ROOM)

    assert len(names(to)) == 3


@pytest.mark.parametrize(
    "forged",
    [
        header(0, b"../outside", 1) + b"x",
        header(0, b"/outside", 1) + b"x",
        header(0, b"a/../../outside", 1) + b"x",
        header(0, b"", 1) + b"x",
        header(0, b"a\0b", 1) + b"x",
        header(0, b".", 1) + b"x",
        header(7, b"outside", 1) + b"x",
        header(0, b"outside", ROOM + 1) + bytes(ROOM + 1),
        header(0, b"outside", 5) + b"cut",
        header(0, b"linked/outside", 1) + b"x",
        header(0, b"linked/inner/outside", 1) + b"x",
        header(0, b"plain/outside", 1) + b"x",
        b"\0" * 5,
    ],
    ids=[
        "up",
        "absolute",
        "around",
        "none",
        "zero",
        "itself",
        "no-such",
        "huge",
        "cut",
        "link",
        "links",
        "file",
        "noise",
    ],
)
def test_what_is_no_plain_file_below_its_folder_is_not_written(tmp_path: Path, folder: Path, forged: bytes) -> None:
    (tmp_path / "elsewhere").mkdir()
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    (folder / "plain").write_text("plain")

    carry.take(io.BytesIO(forged), [folder], ROOM)

    assert names(tmp_path) == ["folder/plain"]
    assert (folder / "plain").read_text() == "plain"
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_link_that_has_the_name_of_a_file_is_replaced_and_not_followed(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (folder / "link").symlink_to(tmp_path / "secret")

    carry.take(io.BytesIO(header(0, b"link", 3) + b"new"), [folder], ROOM)

    assert (tmp_path / "secret").read_text() == "secret"
    assert (folder / "link").read_text() == "new"
    assert not (folder / "link").is_symlink()


def test_a_file_that_cannot_be_written_does_not_keep_the_next_one_away(folder: Path) -> None:
    (folder / "taken").mkdir()
    (folder / "taken" / "inner").touch()

    carry.take(io.BytesIO(header(0, b"taken", 3) + b"new" + header(0, b"next", 3) + b"new"), [folder], ROOM)

    assert names(folder) == ["next", "taken/inner"]
