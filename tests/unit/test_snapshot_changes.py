"""Which modules have changed, as git tells it."""

import os
import subprocess
from pathlib import Path

import pytest

from testwright import settings
from testwright.errors import SnapshotError
from testwright.snapshots.bundle import bundle
from testwright.snapshots.changes import changed, only_changed

MODULE = "def double(x):\n    return 2 * x\n"


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=Jo", "-c", "user.email=jo@example.org", "-c", "commit.gpgsign=false"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    subprocess.run(["git", *identity, *arguments], cwd=folder, env=environment, check=True, capture_output=True)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project in a subfolder, with spaces, of a repository with one commit."""
    root = tmp_path / "my repository" / "the project"
    for name in ("same", "staged", "unstaged", "committed", "deleted", "sub folder/grün"):
        write(root, f"{name}.py", MODULE)
    write(root, "pyproject.toml", '[project]\nname = "shop"\nversion = "1"\n')
    write(root.parent, "outside.py", MODULE)
    write(root, ".gitignore", "ignored.py\n")
    git(root.parent, "init", "-q", "-b", "main")
    git(root.parent, "add", "-A")
    git(root.parent, "commit", "-q", "-m", "first")
    return root


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_what_was_committed_staged_edited_or_added_has_changed(project: Path) -> None:
    for name in ("committed", "staged", "unstaged", "sub folder/grün"):
        write(project, f"{name}.py", MODULE + "\n\nEDITED = True\n")
    git(project, "add", "committed.py")
    git(project, "commit", "-q", "-m", "second", "--", "committed.py")
    git(project, "add", "staged.py")
    (project / "deleted.py").unlink()
    write(project, "untracked.py", MODULE)
    write(project, "ignored.py", MODULE)
    write(project.parent, "outside.py", MODULE + "\n# changed\n")

    expected = {"committed.py", "staged.py", "unstaged.py", "sub folder/grün.py", "untracked.py"}
    assert changed(project, "main~1") == expected
    assert changed(project, "main") == expected - {"committed.py"}


def test_only_changed_modules_are_targets_but_all_files_are_sent(project: Path) -> None:
    write(project, "unstaged.py", MODULE + "\n\nEDITED = True\n")

    whole = bundle([project])
    part = only_changed(whole, "HEAD")

    assert [target.path for target in part.targets] == ["unstaged.py"]
    assert (part.snapshot, part.project) == (whole.snapshot, "shop")
    assert part.skipped["same.py"] == "unchanged since HEAD"


def test_where_nothing_has_changed_there_are_no_targets(project: Path) -> None:
    assert only_changed(bundle([project]), "HEAD").targets == ()


@pytest.mark.parametrize("revision", ["nonsense", "", "--output=x", "HEAD~99", "HEAD:same.py"])
def test_what_is_no_revision_is_said_to_be_none(project: Path, revision: str) -> None:
    with pytest.raises(SnapshotError, match="no git revision"):
        changed(project, revision)
    assert not (project / "x").exists()


def test_a_folder_outside_of_git_is_named(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match="in no git repository"):
        changed(tmp_path, "HEAD")


def test_a_machine_without_git_is_told(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "tool_path", str)

    with pytest.raises(SnapshotError, match="git is not installed"):
        changed(project, "HEAD")


def test_a_project_is_called_as_it_says_or_as_its_folder(project: Path) -> None:
    assert bundle([project]).project == "shop"
    write(project, "pyproject.toml", "[tool.other]\n")
    assert bundle([project]).project == "the project"
