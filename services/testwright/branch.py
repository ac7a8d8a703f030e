"""The only place that commits suites on a git branch, beside the user's own work.

The commit is put together in an index of its own, from git's plumbing: no file of the working tree, nothing that is
staged, no checked-out branch and no stash changes, whatever state they are in; no hook of a commit runs.
"""

import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from testwright import settings, temporary
from testwright.delivery import finished, is_untouched, places
from testwright.errors import BranchError

TRIES = 5
"""How often a commit is made anew on a branch that somebody else has moved meanwhile."""

GIT_TIMEOUT_S = 120.0

_CONFIGURED = ("core.fsmonitor=false", "core.splitIndex=false", "core.quotePath=false", "gc.auto=0")

Describe = Callable[[Sequence[Sequence[str]]], str]
"""Returns the message of a commit from the names of each suite's files in it."""


@dataclass(frozen=True, slots=True)
class Commit:
    """Where suites are on a branch.

    Attributes:
        branch: its short name.
        id: of the commit that the branch is at now.
        top: folder of the repository.
        files: of each suite, relative to ``top``.
        changed: whether that commit is new; ``False`` where the branch had all of this already.
    """

    branch: str
    id: str
    top: Path
    files: tuple[tuple[str, ...], ...]
    changed: bool


def check_branch(folder: Path, branch: str) -> None:
    """Return if suites can be committed on a branch, so that nobody waits for tests that have no place to go.

    Raises:
        BranchError: they cannot; says what is in the way.
    """
    _Repository(folder, branch).parent()


def commit(folder: Path, branch: str, suites: Sequence[Mapping[Path, bytes]], describe: Describe) -> Commit:
    """Commit suites on a branch, which begins at ``HEAD`` if there is none of that name.

    Their names follow the rules of ``delivery``, held against the files of the branch: nothing that is not ours, or
    that was edited, is replaced.

    Args:
        folder: of the repository, or one in it.
        branch: its short name.
        suites: the content of each file by the absolute path that it would have in the working tree.
        describe: makes the message.

    Raises:
        BranchError: it cannot be done; says why, and what to do.
    """
    repository = _Repository(folder, branch)
    for _ in range(TRIES):
        before = repository.parent()
        placed = _placed(repository, before, suites)
        names = tuple(tuple(suite) for suite in placed)
        new = {name: content for suite in placed for name, content in suite.items() if content is not None}
        if not new:
            return Commit(branch, before, repository.top, names, changed=False)
        made = repository.write(before, new, describe(names))
        if repository.move(before, made):
            return Commit(branch, made, repository.top, names, changed=True)
    raise BranchError(branch, "it is moved again and again by somebody else: try again")


def content(folder: Path, commit_id: str, name: str) -> bytes:
    """Return a file of a commit.

    Args:
        folder: in the repository.
        commit_id: of the commit.
        name: relative to ``folder``.

    Raises:
        BranchError: there is no such commit or file.
    """
    repository = _Repository(folder, commit_id)
    return repository.git("cat-file", "blob", f"{commit_id}:{repository.inside(folder / name)}")


def _placed(
    repository: "_Repository", before: str, suites: Sequence[Mapping[Path, bytes]]
) -> list[dict[str, bytes | None]]:
    """Return the files of each suite by their names in the commit; ``None`` where the file is there as it is."""
    there = repository.files(before)
    taken: set[str] = set()
    placed: list[dict[str, bytes | None]] = []
    for suite in suites:
        named: dict[str, bytes | None] = {}
        for path, raw in suite.items():
            wanted = finished(path.name, raw)
            name = next(
                name
                for name in map(str, places(repository.inside(path)))
                if name not in taken and _fits(repository, there.get(name), wanted)
            )
            taken.add(name)
            named[name] = None if name in there and repository.blob(there[name]) == wanted else wanted
        placed.append(named)
    return placed


def _fits(repository: "_Repository", blob: str | None, wanted: bytes) -> bool:
    """Return whether a place is free, or holds what is wanted, or a suite of ours that nobody has edited."""
    if blob is None:
        return True
    found = repository.blob(blob)
    return found is not None and (found == wanted or is_untouched(found))


class _Repository:
    """A repository as one branch of it is worked on."""

    def __init__(self, folder: Path, branch: str) -> None:
        self._branch = branch
        self._ref = f"refs/heads/{branch}"
        self._program = shutil.which("git", path=settings.tool_path())
        self._folder = folder
        if self._program is None:
            raise BranchError(branch, "there is no git on this machine: install it, or leave the branch out")
        self._folder = self.top

    @property
    def top(self) -> Path:
        """The top folder of the working tree."""
        try:
            return Path(self.git("rev-parse", "--show-toplevel").decode().removesuffix("\n")).resolve()
        except BranchError as error:
            reason = f"{self._folder} is in the working tree of no git repository: make one with `git init`"
            raise BranchError(self._branch, f"{reason} ({error.reason})") from error

    def parent(self) -> str:
        """Return the commit that the next one stands on.

        Raises:
            BranchError: the branch cannot be committed on.
        """
        self._check_name()
        self.git("var", "GIT_COMMITTER_IDENT", hint="git config user.name and user.email say who commits")
        elsewhere = self.git("for-each-ref", "--format=%(worktreepath)", self._ref).decode().strip()
        if elsewhere:
            raise BranchError(self._branch, f"it is checked out in {elsewhere}: name another, or switch away from it")
        self._check_room()
        there = self._commit(self._ref) or self._commit("HEAD")
        if there is None:
            raise BranchError(self._branch, "the repository has no commit yet: make the first one")
        return there

    def files(self, commit_id: str) -> dict[str, str]:
        """Return the blob of each file of a commit by its name, empty for what is no file."""
        found: dict[str, str] = {}
        for line in filter(None, self.git("ls-tree", "-r", "-t", "-z", "--full-tree", commit_id).split(b"\0")):
            about, _, name = line.partition(b"\t")
            mode, _, blob = about.decode().split(" ")
            found[name.decode("utf-8", "surrogateescape")] = blob if mode.startswith("100") else ""
        return found

    def blob(self, blob: str) -> bytes | None:
        """Return the content of a blob; ``None`` for what is no file."""
        return self.git("cat-file", "blob", blob) if blob else None

    def write(self, parent: str, files: Mapping[str, bytes], message: str) -> str:
        """Return a new commit with files on top of another; nothing refers to it yet."""
        with temporary.folder() as folder:
            index = {"GIT_INDEX_FILE": str(Path(folder, "index"))}
            self.git("read-tree", parent, env=index)
            for name, content in files.items():
                blob = self.git("hash-object", "-w", "--stdin", stdin=content).decode().strip()
                self.git("update-index", "--add", "--cacheinfo", f"100644,{blob},{name}", env=index)
            tree = self.git("write-tree", env=index).decode().strip()
        return self.git("commit-tree", tree, "-p", parent, "-F", "-", stdin=message.encode()).decode().strip()

    def move(self, before: str, after: str) -> bool:
        """Move the branch on, if it is where it was; returns whether it was."""
        expected = before if self._commit(self._ref) else ""
        try:
            self.git("update-ref", "-m", "testwright: add generated tests", self._ref, after, expected)
        except BranchError:
            if (self._commit(self._ref) or before) == before:
                raise
            return False
        return True

    def inside(self, path: Path) -> PurePosixPath:
        """Return the name of a path in the repository."""
        real = path.parent.resolve() / path.name
        if not real.is_relative_to(self._folder):
            raise BranchError(self._branch, f"{path} is outside the repository {self._folder}")
        return PurePosixPath(real.relative_to(self._folder).as_posix())

    def git(self, *arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None, hint: str = "") -> bytes:
        """Return what git prints.

        Raises:
            BranchError: it fails; says what it has said, and the hint.
        """
        configured = [part for setting in _CONFIGURED for part in ("-c", setting)]
        try:
            ended = subprocess.run(
                [self._program or "git", *configured, *arguments],
                cwd=self._folder,
                env={**settings.git_environment(), **(env or {})},
                input=stdin,
                capture_output=True,
                timeout=GIT_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise BranchError(self._branch, f"git cannot be run: {error}") from error
        if ended.returncode != 0:
            said = ended.stderr.decode(errors="replace").strip().splitlines() or [f"git {arguments[0]} has failed"]
            raise BranchError(self._branch, "; ".join(filter(None, [hint, said[-1].removeprefix("fatal: ")])))
        return ended.stdout

    def _check_name(self) -> None:
        try:
            self.git("check-ref-format", self._ref)
        except BranchError as error:
            raise BranchError(self._branch, "git takes no branch of this name") from error
        if self._branch.startswith("-") or self._branch == "HEAD":
            raise BranchError(self._branch, "git takes no branch of this name")

    def _check_room(self) -> None:
        """Refuse a name that another branch's keeps from being one: a ref is a file or a folder."""
        above = [str(folder) for folder in PurePosixPath(self._branch).parents if str(folder) != "."]
        taken = [name for name in above if self._commit(f"refs/heads/{name}")]
        taken += self.git("for-each-ref", "--format=%(refname:short)", f"{self._ref}/").decode().split()
        if taken:
            raise BranchError(self._branch, f"there is a branch {taken[0]!r}: name another")

    def _commit(self, name: str) -> str | None:
        try:
            return self.git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").decode().strip()
        except BranchError:
            return None
