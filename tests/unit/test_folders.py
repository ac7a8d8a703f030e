"""Whether a folder can be written to is known before anything is put there."""

import os
from pathlib import Path

import pytest

from testwright.folders import obstacle


def test_a_folder_that_is_there_or_can_be_made_is_fine(tmp_path: Path) -> None:
    assert obstacle(tmp_path) is None
    assert obstacle(tmp_path / "new" / "newer") is None


def test_a_file_in_the_way_is_an_obstacle(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    assert obstacle(tmp_path / "file") == tmp_path / "file"
    assert obstacle(tmp_path / "file" / "folder") == tmp_path / "file"


def test_a_link_to_nowhere_is_an_obstacle(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "gone")

    assert obstacle(tmp_path / "link" / "folder") == tmp_path / "link"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_read_only_is_an_obstacle(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir(mode=0o500)

    assert obstacle(tmp_path / "mine" / "folder") == tmp_path / "mine"
