"""Which of a project's files says what a module needs."""

import pytest

from testwright.environments.metadata import Needs, needs
from testwright.errors import EnvironmentBuildError


def _needs(files: dict[str, str], target: str = "src/shop/pricing.py") -> Needs:
    names = [name for name in files if "/" not in name]
    return needs(files.get, names, target, "/project")


SCRIPT = """#!/usr/bin/env python
# /// script
# requires-python = ">=3.12"
# dependencies = [
#   "rich>=14",
# ]
# ///
print()
"""


def test_a_project_without_metadata_needs_nothing() -> None:
    assert _needs({"README.md": ""}) == Needs()


def test_the_header_of_the_module_decides_before_all_else() -> None:
    found = _needs({"a.py": SCRIPT, "pyproject.toml": '[project]\ndependencies = ["attrs"]'}, "a.py")

    assert found == Needs("a.py", ("rich>=14",), ">=3.12")


def test_a_header_with_windows_line_ends_counts() -> None:
    assert _needs({"a.py": SCRIPT.replace("\n", "\r\n")}, "a.py").requirements == ("rich>=14",)


def test_the_nearest_pyproject_of_a_project_decides() -> None:
    files = {
        "src/shop/pyproject.toml": "[tool.ruff]\nline-length = 80\n",
        "src/pyproject.toml": '[project]\nname = "inner"\ndependencies = ["attrs"]\nrequires-python = ">=3.11"\n',
        "pyproject.toml": '[project]\nname = "outer"\ndependencies = ["rich"]\n',
    }

    assert _needs(files) == Needs("src/pyproject.toml", ("attrs",), ">=3.11")


def test_groups_and_extras_stay_out() -> None:
    text = """
[project]
dependencies = ["attrs"]
[project.optional-dependencies]
test = ["pytest<8"]
[dependency-groups]
dev = ["black"]
"""

    assert _needs({"pyproject.toml": text}).requirements == ("attrs",)


@pytest.mark.parametrize(
    "text",
    [
        '[project]\nname = "x"\ndynamic = ["dependencies"]\nrequires-python = ">=3.11"\n',
        '[project]\nname = "x"\nrequires-python = ">=3.11"\n[tool.uv.sources]\nshop = { path = "../shop" }\n',
    ],
)
def test_what_only_a_build_can_tell_is_left_to_the_build(text: str) -> None:
    found = _needs({"pyproject.toml": text})

    assert found.built
    assert found.source == "pyproject.toml"
    assert found.requires_python == ">=3.11"
    assert text in found.texts


def test_poetry_is_asked_of_its_build() -> None:
    assert _needs({"pyproject.toml": '[tool.poetry.dependencies]\nattrs = "*"\n'}).built


@pytest.mark.parametrize("tool", ["tool = 1", "tool.poetry = 1", "tool = []\nproject.name = 'p'"])
def test_a_table_of_tools_that_is_none_says_nothing(tool: str) -> None:
    assert _needs({"pyproject.toml": tool}).requirements == ()


def test_setup_cfg_is_read() -> None:
    text = "[options]\npython_requires = >=3.11\ninstall_requires =\n    attrs  # why\n    rich; python_version > '3'\n"

    assert _needs({"setup.cfg": text}) == Needs("setup.cfg", ("attrs", "rich; python_version > '3'"), ">=3.11")


def test_setup_py_is_asked_of_its_build() -> None:
    found = _needs({"setup.py": "setup()", "setup.cfg": "[flake8]\nmax-line-length = 100\n"})

    assert found.built
    assert found.source == "setup.py"


def test_requirements_txt_stands_alone_and_its_siblings_only_without_it() -> None:
    files = {"requirements.txt": "attrs\n", "requirements-dev.txt": "black\n"}

    assert _needs(files).requirements == ("attrs",)
    del files["requirements.txt"]
    assert _needs(files).requirements == ("black",)


@pytest.mark.parametrize(
    ("files", "where"),
    [
        (
            {"pyproject.toml": '[project]\nname = "x"\ndependencies = [\n  "rich=>3",\n]\n'},
            "pyproject.toml:4: 'rich=>3'",
        ),
        ({"pyproject.toml": '[project]\nrequires-python = "three"\n'}, "pyproject.toml:2: requires-python"),
        ({"pyproject.toml": "[project\n"}, "pyproject.toml: .*line 1"),
        ({"pyproject.toml": "project = " + "[" * 3000}, "pyproject.toml: brackets are nested too deep"),
        ({"pyproject.toml": f"project.{'a.' * 3000}a = 1"}, "pyproject.toml: tables are nested deeper than 100 levels"),
        ({"pyproject.toml": '[project]\ndependencies = "rich"\n'}, "pyproject.toml: Expected `array`.*dependencies"),
        ({"pyproject.toml": "project = 1\n"}, "pyproject.toml: Expected `object`"),
        ({"setup.cfg": "no section\n"}, "setup.cfg: .*line"),
        ({"requirements.txt": "-r missing.txt\n"}, "missing.txt does not exist"),
    ],
)
def test_metadata_that_cannot_be_understood_is_told_with_its_place(files: dict[str, str], where: str) -> None:
    with pytest.raises(EnvironmentBuildError, match=where) as caught:
        _needs(files)

    assert caught.value.cause == "bad-metadata"
    assert not caught.value.retryable
