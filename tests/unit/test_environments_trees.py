"""What of a project's own files decides what its environment holds."""

from pathlib import Path

from testwright.environments.metadata import Needs
from testwright.environments.trees import parts, tree_digest


def project(folder: Path, text: str = "X = 1\n") -> Path:
    (folder / "lib").mkdir(parents=True)
    (folder / "lib" / "lib.py").write_text(text)
    return folder


def test_requirements_from_elsewhere_leave_the_projects_files_out(tmp_path: Path) -> None:
    root = project(tmp_path / "a")

    assert parts(root, Needs("pyproject.toml", ("idna==3.10",))) == ("idna==3.10",)


def test_the_same_project_is_the_same_wherever_it_lies(tmp_path: Path) -> None:
    first, second = project(tmp_path / "a"), project(tmp_path / "b")

    assert parts(first, Needs("r.txt", (f"{first}/lib",))) == parts(second, Needs("r.txt", (f"{second}/lib",)))


def test_a_folder_of_the_project_that_is_installed_counts_with_its_content(tmp_path: Path) -> None:
    first, second = project(tmp_path / "a"), project(tmp_path / "b", "X = 2\n")

    assert parts(first, Needs("r.txt", (f"{first}/lib",))) != parts(second, Needs("r.txt", (f"{second}/lib",)))


def test_sources_of_uv_and_poetry_that_are_folders_count_with_their_content(tmp_path: Path) -> None:
    root = project(tmp_path / "a")
    for text in (
        '[tool.uv.sources]\nlib = { path = "lib" }\n',
        "[tool.uv.sources]\nlib = { workspace = true }\n",
        '[tool.poetry.dependencies]\nlib = { path = "lib" }\n',
    ):
        assert parts(root, Needs("pyproject.toml", built=True, texts=(text,))) == (tree_digest(root),)
    remote = '[tool.uv.sources]\nlib = { git = "https://example.org/lib" }\n'
    assert parts(root, Needs("pyproject.toml", built=True, texts=(remote,))) == ()


def test_what_tools_say_of_sources_may_be_anything(tmp_path: Path) -> None:
    root = project(tmp_path / "a")
    for text in (
        "tool = 1",
        "tool.uv = 1",
        "tool.uv.sources = 1",
        "tool.uv.sources = { lib = 1, other = [1, 'path'] }",
    ):
        assert parts(root, Needs("pyproject.toml", built=True, texts=(text,))) == ()


def test_a_tree_differs_by_names_contents_and_links(tmp_path: Path) -> None:
    root = project(tmp_path / "a")
    seen = {tree_digest(root)}

    (root / "lib" / "lib.py").rename(root / "lib" / "bil.py")
    seen.add(tree_digest(root))
    (root / "link").symlink_to("lib/bil.py")
    seen.add(tree_digest(root))
    (root / "link").unlink()
    (root / "link").symlink_to("elsewhere")
    seen.add(tree_digest(root))

    assert len(seen) == 4
