"""How requirements files are taken apart."""

import pytest

from testwright.environments.requirements_txt import Flat, flatten
from testwright.errors import EnvironmentBuildError


def _flat(**files: str) -> Flat:
    texts = {name.replace("__", "/") + ".txt": text for name, text in files.items()}
    return flatten(texts.get, "requirements.txt", "/project")


def test_comments_and_line_continuations_are_understood() -> None:
    flat = _flat(requirements="# all\nattrs==1 \\\n  --hash=sha256:0\nrich # why\n\nx @ https://h/x.whl#egg=x\n")

    assert [" ".join(line.split()) for line in flat.lines] == [
        "attrs==1 --hash=sha256:0",
        "rich",
        "x @ https://h/x.whl#egg=x",
    ]


def test_included_files_take_the_place_of_the_line_that_names_them() -> None:
    flat = _flat(requirements="-r reqs/base.txt\nrich\n", reqs__base="--requirement=more.txt\n", reqs__more="attrs\n")

    assert flat.lines == ["attrs", "rich"]
    assert len(flat.texts) == 3


def test_files_that_include_each_other_end() -> None:
    assert _flat(requirements="-r other.txt\na\n", other="-r requirements.txt\nb\n").lines == ["b", "a"]


def test_files_that_include_each_other_thousands_deep_are_refused_by_name() -> None:
    files = {f"reqs__{number}": f"-r {number + 1}.txt\n" for number in range(5000)}

    with pytest.raises(EnvironmentBuildError, match=r"reqs/100\.txt is included by more than 100 files in a row"):
        _flat(requirements="-r reqs/0.txt\n", **files)


def test_constraints_are_named_absolutely_and_count_for_the_digest() -> None:
    flat = _flat(requirements="-c constraints.txt\nrich\n", constraints="rich<14\n")

    assert flat.lines == ["-c /project/constraints.txt", "rich"]
    assert "rich<14\n" in flat.texts


@pytest.mark.parametrize("line", ["-e .", "--editable=.", ".", "-e .[dev]", "-e ./"])
def test_the_project_itself_is_left_out(line: str) -> None:
    assert _flat(requirements=line).lines == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-e ./libs/core", "/project/libs/core"),
        ("-e libs/core", "/project/libs/core"),
        ("./libs/core", "/project/libs/core"),
        ("/opt/core", "/opt/core"),
        ("-e git+https://host/repo.git#egg=x", "git+https://host/repo.git#egg=x"),
        ("--find-links wheels", "--find-links /project/wheels"),
        ("--find-links https://host/wheels", "--find-links https://host/wheels"),
        ("--index-url https://host/simple", "--index-url https://host/simple"),
    ],
)
def test_paths_hold_anywhere_and_nothing_is_editable(line: str, expected: str) -> None:
    assert _flat(requirements=line).lines == [expected]
