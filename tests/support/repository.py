"""Git repositories of a test's own, which know nothing of this machine's configuration."""

import os
import subprocess
from pathlib import Path

import pytest


def git(folder: Path, *arguments: str) -> str:
    """Return what git prints in a folder."""
    ended = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return ended.stdout.strip()


def configure(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    """Have every git of this test, and of its processes, commit as Ada and read this file only."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    file.write_text("[user]\n name = Ada\n email = ada@example.org\n[init]\n defaultBranch = main\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(file))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


def make(folder: Path) -> None:
    """Make a folder a repository whose first commit has everything in it."""
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "Begin")


def state(folder: Path) -> tuple[str, ...]:
    """Return everything that a user would miss: files, what is staged, where HEAD is."""
    files = sorted(str(path) for path in folder.rglob("*") if ".git" not in path.parts)
    return (*files, git(folder, "status", "--porcelain=v2", "--branch"), git(folder, "diff", "--cached"))
