"""Bundles: what leaves the machine, what never does, and which modules are meant."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from testwright.errors import SnapshotError
from testwright.snapshots.archive import read
from testwright.snapshots.bundle import Bundle, bundle

NOBODY = 65534
CODE = "def f():\n    return 1\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    return root


def write(root: Path, *names: str, content: str = CODE) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(root), *arguments], check=True, capture_output=True)


@pytest.fixture
def as_nobody() -> Iterator[Path]:
    """Yield a folder that others may read, with the rights of somebody who is not its owner."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
        os.seteuid(os.getuid())


needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def names(made: Bundle) -> set[str]:
    return set(read(made.data))


def modules(made: Bundle) -> list[str]:
    return [target.module for target in made.targets]


def test_a_module_comes_with_its_whole_project(project: Path) -> None:
    write(
        project, "pyproject.toml", "README.md", "src/shop/__init__.py", "src/shop/pricing.py", "tests/test_pricing.py"
    )

    made = bundle([project / "src" / "shop" / "pricing.py"])

    assert names(made) == {
        "pyproject.toml",
        "README.md",
        "src/shop/__init__.py",
        "src/shop/pricing.py",
        "tests/test_pricing.py",
    }
    assert modules(made) == ["shop.pricing"]
    assert made.root == project
    assert (made.snapshot.size, made.snapshot.files) == (len(made.data), 5)


def test_the_same_content_has_the_same_digest_anywhere_at_any_time(tmp_path: Path) -> None:
    for place in ("one", "other"):
        write(tmp_path / place, "pyproject.toml", "shop.py")
    (tmp_path / "other" / "shop.py").touch()
    (tmp_path / "other" / "shop.py").chmod(0o600)

    first, second = (bundle([tmp_path / place / "shop.py"]) for place in ("one", "other"))

    assert first.snapshot == second.snapshot
    write(tmp_path / "other", "shop.py", content=CODE + "#\n")
    assert bundle([tmp_path / "other" / "shop.py"]).snapshot != first.snapshot


def test_a_folder_means_every_module_worth_testing(project: Path) -> None:
    wanted = ["shop/cart.py", "shop/deep/tax.py", "tool.py"]
    unwanted = ["setup.py", "conftest.py", "noxfile.py", "shop/__main__.py", "tests/helpers.py", "docs/conf.py"]
    unwanted += ["shop/test_cart.py", "shop/cart_test.py", "my-script.py"]
    write(project, *wanted, *unwanted)
    write(project, "shop/__init__.py", "shop/constants.py", content="RATE = 0.19\n")

    made = bundle([project])

    assert [target.path for target in made.targets] == wanted
    assert set(made.skipped) == {*unwanted, "shop/__init__.py", "shop/constants.py"}
    assert set(unwanted) < names(made)


def test_what_a_folder_skips_is_a_target_where_it_is_named(project: Path) -> None:
    write(project, "pyproject.toml", "tests/helpers.py", "shop/__main__.py")

    made = bundle([project / "tests" / "helpers.py", project / "shop" / "__main__.py", project])

    assert modules(made) == ["shop.__main__", "tests.helpers"]
    assert made.skipped == {}
    assert modules(bundle([project / "tests"])) == ["tests.helpers"]


def test_a_folder_with_nothing_to_test_says_why(project: Path) -> None:
    write(project, "pyproject.toml", "tests/test_shop.py")

    with pytest.raises(SnapshotError, match="nothing to test: 1 modules found, left out as tests"):
        bundle([project])


@pytest.mark.parametrize("in_git", [pytest.param(True, marks=needs_git), False])
def test_secrets_and_leftovers_never_leave(project: Path, in_git: bool) -> None:
    kept = ["pyproject.toml", "shop.py", ".env.example", "id_rsa_parser.py", "keys.py"]
    secrets = [".env", ".env.local", "conf/.ENV", "tls/server.pem", "server.key", "id_rsa", "id_ed25519.pub", ".netrc"]
    secrets += [".pypirc", "a.p12", ".aws/config", "credentials.json", "credentials-prod.json"]
    leftovers = ["node_modules/x.js", "__pycache__/shop.pyc", ".venv/lib/x.py", "my env/pyvenv.cfg", "my env/lib/x.py"]
    write(project, *kept, *secrets, *leftovers)
    if in_git:
        git(project, "init", "-q")
        git(project, "add", "-f", ".env", "server.key", "shop.py")

    assert names(bundle([project / "shop.py"])) == set(kept)


def test_a_secret_asked_for_by_name_is_refused(project: Path) -> None:
    write(project, "pyproject.toml", ".env.py")

    with pytest.raises(SnapshotError, match=r"\.env\.py is never sent"):
        bundle([project / ".env.py"])


@needs_git
def test_git_says_what_belongs_to_a_project(project: Path) -> None:
    write(project, "shop.py", "build/tracked.py", "untracked.py", "gone.py", "out/ignored.py", "data.tmp")
    write(project, ".gitignore", content="out/\n*.tmp\n")
    git(project, "init", "-q")
    git(project, "add", "shop.py", "build/tracked.py", "gone.py")
    (project / "gone.py").unlink()

    assert names(bundle([project / "shop.py"])) == {"shop.py", "build/tracked.py", "untracked.py", ".gitignore"}


@needs_git
def test_variables_of_a_git_hook_point_nowhere_else(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(project, "shop.py", "build/tracked.py")
    git(project, "init", "-q")
    git(project, "add", "build/tracked.py")
    monkeypatch.setenv("GIT_DIR", str(project / "nowhere"))

    assert names(bundle([project / "shop.py"])) == {"shop.py", "build/tracked.py"}


@needs_git
def test_a_project_in_a_folder_that_git_ignores_is_taken_whole(project: Path) -> None:
    write(project, ".gitignore", content="scratch/\n")
    git(project, "init", "-q")
    write(project / "scratch", "pyproject.toml", "shop.py", "lib.py")

    assert names(bundle([project / "scratch" / "shop.py"])) == {"pyproject.toml", "shop.py", "lib.py"}


@needs_git
def test_an_ignored_module_or_folder_that_is_named_comes_along(project: Path) -> None:
    write(project, "shop.py", "made/a.py", "made/b.py")
    write(project, ".gitignore", content="made/\n")
    git(project, "init", "-q")

    assert "made/b.py" not in names(bundle([project / "made" / "a.py"]))
    assert modules(bundle([project / "made"])) == ["made.a", "made.b"]


def test_without_git_the_ignore_file_and_habits_count(project: Path) -> None:
    write(project, "pyproject.toml", "shop.py", "build/lib/shop.py", "dist/x.whl", "big.csv", "a.egg-info/PKG-INFO")
    write(project, ".gitignore", content="*.csv\n")

    assert names(bundle([project / "shop.py"])) == {"pyproject.toml", "shop.py", ".gitignore"}


def test_links_are_followed_inside_the_project_only(project: Path, tmp_path: Path) -> None:
    write(project, "pyproject.toml", "shop.py", ".env", "lib/a.py")
    write(tmp_path, "outside.py", content="SECRET = 1\n")
    (project / "inside.py").symlink_to("shop.py")
    (project / "escape.py").symlink_to(tmp_path / "outside.py")
    (project / "innocent.txt").symlink_to(".env")
    (project / "folder").symlink_to(tmp_path)
    (project / "broken.py").symlink_to("nothing.py")

    made = bundle([project / "shop.py"])

    assert names(made) == {"pyproject.toml", "shop.py", "lib/a.py", "inside.py"}
    assert read(made.data)["inside.py"] == CODE.encode()


def test_a_lone_file_brings_the_modules_beside_it_and_nothing_else(project: Path) -> None:
    write(project, "a.py", "b.py", "notes.txt", "sub/c.py")

    made = bundle([project / "a.py"])

    assert names(made) == {"a.py", "b.py"}
    assert (modules(made), made.root) == (["a"], project)


def test_a_package_without_a_project_is_its_own(project: Path) -> None:
    write(project, "shop/__init__.py", "shop/deep/__init__.py", "shop/deep/tax.py", "shop/data.json", "private.py")

    made = bundle([project / "shop" / "deep" / "tax.py"])

    assert names(made) == {"shop/__init__.py", "shop/deep/__init__.py", "shop/deep/tax.py", "shop/data.json"}
    assert (modules(made), made.root) == (["shop.deep.tax"], project)


def test_paths_of_two_projects_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "one/pyproject.toml", "one/a.py", "two/pyproject.toml", "two/b.py")

    with pytest.raises(SnapshotError, match="one project at a time"):
        bundle([tmp_path / "one" / "a.py", tmp_path / "two" / "b.py"])


def test_no_path_at_all_is_refused() -> None:
    with pytest.raises(SnapshotError, match="nothing is named: give modules"):
        bundle([])


def test_a_path_that_is_not_there_is_refused(project: Path) -> None:
    with pytest.raises(SnapshotError, match="does not exist"):
        bundle([project / "nothing.py"])


@pytest.mark.skipif(os.getuid() != 0, reason="takes root to become somebody else")
def test_a_folder_that_nobody_may_look_into_is_left_out(as_nobody: Path) -> None:
    write(as_nobody, "shop.py", "database/pages.py")
    write(as_nobody, "pyproject.toml", content="")
    (as_nobody / "database").chmod(0o700)

    os.seteuid(NOBODY)

    assert names(bundle([as_nobody / "shop.py"])) == {"shop.py", "pyproject.toml"}


def test_a_file_that_is_no_python_is_refused(project: Path) -> None:
    write(project, "data.csv")

    with pytest.raises(SnapshotError, match="no Python module"):
        bundle([project / "data.csv"])


def test_a_project_that_is_too_big_is_refused_with_its_biggest_files_and_a_remedy(project: Path) -> None:
    write(project, "pyproject.toml", "shop.py")
    write(project, "video.bin", content="x" * 3 * 1024 * 1024)
    write(project, "small.bin", content="x" * 1024 * 1024)

    with pytest.raises(
        SnapshotError, match=r"4\.0 MiB, at most 2\.0 MiB.*video\.bin \(3\.0 MiB\), small\.bin.*gitignore"
    ):
        bundle([project / "shop.py"], max_bytes=2 * 1024 * 1024)


def test_paths_with_spaces_work(tmp_path: Path) -> None:
    write(tmp_path / "my work", "pyproject.toml", "the shop/cart.py")

    made = bundle([tmp_path / "my work" / "the shop" / "cart.py"])

    assert [(target.module, target.import_root) for target in made.targets] == [("cart", "the shop")]


def test_a_module_named_twice_is_one_target(project: Path) -> None:
    write(project, "pyproject.toml", "shop/__init__.py", "shop/cart.py")

    assert modules(bundle([project / "shop" / "cart.py", project / "shop", project])) == ["shop", "shop.cart"]
