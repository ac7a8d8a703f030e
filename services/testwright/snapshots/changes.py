"""The only place that asks git which modules of a project have changed."""

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

from testwright import settings
from testwright.errors import SnapshotError
from testwright.snapshots.bundle import Bundle
from testwright.snapshots.sources import GIT_TIMEOUT_S


def only_changed(bundled: Bundle, revision: str) -> Bundle:
    """Return a bundle with those of its targets that have changed since a git revision; there may be none.

    The snapshot stays whole: what has not changed may be imported by what has.

    Raises:
        SnapshotError: as in ``changed``.
    """
    names = changed(bundled.root, revision)
    same = {target.path: f"unchanged since {revision}" for target in bundled.targets if target.path not in names}
    targets = tuple(target for target in bundled.targets if target.path in names)
    return replace(bundled, targets=targets, skipped={**bundled.skipped, **same})


def changed(root: Path, revision: str) -> frozenset[str]:
    """Return the files below a folder that differ from a git revision, relative to it and with ``/``.

    What was committed since counts, and what was not: staged, unstaged and untracked files (but ignored ones). Deleted
    files do not.

    Raises:
        SnapshotError: git is missing, the folder lies in no work tree, or there is no such revision.
    """
    git = shutil.which("git", path=settings.tool_path())
    if git is None:
        raise SnapshotError("changes cannot be found: git is not installed")
    if _run(git, root, "rev-parse", "--is-inside-work-tree") is None:
        raise SnapshotError(f"changes cannot be found: {root} is in no git repository")
    commit = _run(git, root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if commit is None:
        raise SnapshotError(f"there is no git revision {revision!r} here: check it with `git log`, or fetch it")
    # Paths come relative to the folder, and only those below it.
    differing = _run(
        git,
        root,
        *("diff", "--name-only", "-z", "--relative", "--no-renames", "--diff-filter=d"),
        *(commit.decode().strip(), "--"),
    )
    untracked = _run(git, root, "ls-files", "--others", "--exclude-standard", "-z")
    if differing is None or untracked is None:
        raise SnapshotError(f"git cannot compare {root} with {revision!r}: run `git status` there to see why")
    return frozenset(os.fsdecode(name) for name in (differing + untracked).split(b"\0") if name)


def _run(git: str, root: Path, *arguments: str) -> bytes | None:
    """Return what git prints, ``None`` where it fails."""
    # A file-system monitor is a program that the repository's own configuration names.
    command = [git, "-c", "core.fsmonitor=false", *arguments]
    environment = settings.git_environment()
    try:
        ended = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, timeout=GIT_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return ended.stdout if ended.returncode == 0 else None
