"""Delivery as a change: suites reach a branch, and nothing of the user's own work moves."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.support.repository import configure, git, make, state
from testwright import branch
from testwright.delivery import is_untouched
from testwright.errors import BranchError

SUITE = b"def test_one():\n    assert 1 + 1 == 2\n"
BETTER = b"def test_two():\n    assert 2 + 2 == 4\n"


def described(files: Sequence[Sequence[str]]) -> str:
    return "Add tests\n\n" + "\n".join(name for suite in files for name in suite) + "\n"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    configure(monkeypatch, tmp_path / "gitconfig")
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "pricing.py").write_text("def price():\n    return 1\n")
    make(folder)
    return folder


def suites(repository: Path, text: bytes = SUITE, name: str = "test_pricing.py") -> list[dict[Path, bytes]]:
    return [{repository / "tests" / "generated" / name: text}]


def test_suites_are_committed_while_the_users_own_work_stays_as_it_is(repository: Path) -> None:
    (repository / "pricing.py").write_text("def price():\n    return 2\n")
    (repository / "staged.py").touch()
    git(repository, "add", "staged.py")
    (repository / "untracked.py").touch()
    before = state(repository)

    made = branch.commit(repository, "generated/tests", suites(repository), described)

    assert state(repository) == before
    assert made.changed
    assert made.files == (("tests/generated/test_pricing.py",),)
    assert git(repository, "rev-parse", "generated/tests") == made.id
    assert git(repository, "rev-parse", "generated/tests^") == git(repository, "rev-parse", "HEAD")
    assert git(repository, "ls-tree", "-r", "--name-only", made.id).split() == ["pricing.py", *made.files[0]]
    assert git(repository, "show", f"{made.id}:pricing.py") == "def price():\n    return 1"
    assert git(repository, "log", "-1", "--format=%an|%B", made.id) == f"Ada|Add tests\n\n{made.files[0][0]}"
    content = branch.content(repository, made.id, made.files[0][0])
    assert content.startswith(SUITE)
    assert is_untouched(content)


def test_the_same_suites_again_change_nothing_and_say_so(repository: Path) -> None:
    first = branch.commit(repository, "generated", suites(repository), described)

    again = branch.commit(repository, "generated", suites(repository), described)

    assert (again.changed, again.id, again.files) == (False, first.id, first.files)


def test_a_later_delivery_adds_a_commit_and_replaces_what_nobody_has_edited(repository: Path) -> None:
    first = branch.commit(repository, "generated", suites(repository), described)

    second = branch.commit(repository, "generated", suites(repository, BETTER), described)

    assert second.files == first.files
    assert git(repository, "rev-parse", f"{second.id}^") == first.id
    assert branch.content(repository, second.id, second.files[0][0]).startswith(BETTER)


def test_what_was_edited_on_the_branch_is_never_replaced(repository: Path) -> None:
    branch.commit(repository, "generated", suites(repository), described)
    git(repository, "switch", "--quiet", "generated")
    mine = repository / "tests" / "generated" / "test_pricing.py"
    mine.write_bytes(b"def test_mine():\n    pass\n")
    git(repository, "commit", "--quiet", "-am", "Mend")
    git(repository, "switch", "--quiet", "main")

    made = branch.commit(repository, "generated", suites(repository, BETTER), described)

    assert made.files == (("tests/generated/test_pricing_testwright.py",),)
    assert branch.content(repository, made.id, "tests/generated/test_pricing.py") == b"def test_mine():\n    pass\n"


def test_two_suites_of_one_name_never_meet_in_one_file(repository: Path) -> None:
    both = [*suites(repository), *suites(repository, BETTER)]

    made = branch.commit(repository, "generated", both, described)

    assert len({name for suite in made.files for name in suite}) == 2


def test_a_folder_of_the_repository_will_do_and_names_are_from_its_top(repository: Path) -> None:
    package = repository / "package"
    package.mkdir()

    made = branch.commit(package, "generated", suites(package), described)

    assert made.files == (("package/tests/generated/test_pricing.py",),)


def test_a_hook_that_started_us_does_not_lead_elsewhere(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nowhere/index")
    made = branch.commit(repository, "generated", suites(repository), described)

    assert made.changed


def test_a_commit_that_came_between_is_built_upon(repository: Path) -> None:
    def interfered(files: Sequence[Sequence[str]]) -> str:
        if not git(repository, "branch", "--list", "generated"):
            git(repository, "branch", "generated", "HEAD")
            git(repository, "update-ref", "refs/heads/generated", other)
        return described(files)

    other = git(repository, "commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "Other")

    made = branch.commit(repository, "generated", suites(repository), interfered)

    assert git(repository, "rev-parse", f"{made.id}^") == other


def is_checked_out(repository: Path) -> str:
    return "main"


def is_checked_out_elsewhere(repository: Path) -> str:
    git(repository, "worktree", "add", "--quiet", "-b", "other", str(repository.parent / "other tree"))
    return "other"


def is_no_name(repository: Path) -> str:
    return "two..dots"


def is_an_option(repository: Path) -> str:
    return "-f"


def lies_in_another(repository: Path) -> str:
    git(repository, "branch", "taken")
    return "taken/generated"


def has_others_below(repository: Path) -> str:
    git(repository, "branch", "generated/all")
    return "generated"


def has_no_commit(repository: Path) -> str:
    git(repository, "update-ref", "-d", "HEAD")
    return "generated"


def is_no_repository(repository: Path) -> str:
    (repository / ".git").rename(repository.parent / "gone")
    return "generated"


def has_no_name(repository: Path) -> str:
    git(repository, "config", "user.useConfigOnly", "true")
    (repository.parent / "gitconfig").write_text("")
    return "generated"


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (is_checked_out, r"checked out in .*shop: name another, or switch"),
        (is_checked_out_elsewhere, r"checked out in .*other tree"),
        (is_no_name, "no branch of this name"),
        (is_an_option, "no branch of this name"),
        (lies_in_another, "there is a branch 'taken'"),
        (has_others_below, "there is a branch 'generated/all'"),
        (has_no_commit, "no commit yet"),
        (is_no_repository, "make one with `git init`"),
        (has_no_name, r"git config user\.name"),
    ],
)
def test_what_is_in_the_way_is_said_and_nothing_changes(
    repository: Path, broken: Callable[[Path], str], said: str
) -> None:
    name = broken(repository)

    with pytest.raises(BranchError, match=said):
        branch.check_branch(repository, name)

    with pytest.raises(BranchError, match=said):
        branch.commit(repository, name, suites(repository), described)
    assert not (repository / "tests").exists()


def test_without_git_the_error_says_so(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("testwright.settings.tool_path", lambda: "")

    with pytest.raises(BranchError, match="no git on this machine"):
        branch.check_branch(repository, "generated")


def test_a_place_outside_the_repository_is_refused(repository: Path) -> None:
    with pytest.raises(BranchError, match="outside the repository"):
        branch.commit(repository, "generated", suites(repository.parent), described)


def test_a_folder_where_the_branch_has_a_file_is_refused(repository: Path) -> None:
    (repository / "tests").write_text("")
    git(repository, "add", "tests")
    git(repository, "commit", "--quiet", "-m", "In the way")
    (repository / "tests").unlink()

    with pytest.raises(BranchError, match="tests"):
        branch.commit(repository, "generated", suites(repository), described)
