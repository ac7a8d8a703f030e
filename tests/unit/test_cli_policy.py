"""From options to a policy."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from testwright.cli.policy import for_modules, interpreter, policy
from testwright.errors import InvalidSubmissionError
from testwright_schemas import Policy


def made(**given: Any) -> Policy:
    options: dict[str, Any] = {"engines": None, "python": None, "no_mutants": False}
    return policy(**options | given)


def test_without_options_it_is_the_default_policy() -> None:
    assert made(coverage=None, seed=None) == Policy()


def test_options_are_taken_as_given() -> None:
    wanted = made(engines=["echo"], no_mutants=True, coverage=95.0, budget_s=5.0, seed=0, repeats=1)

    assert wanted == Policy(engines=("echo",), mutants=False, coverage=95.0, budget_s=5.0, seed=0, repeats=1)


@pytest.mark.parametrize(
    ("budget_s", "timeout_s"),
    [(5.0, 600.0), (150.0, 600.0), (600.0, 1500.0), (3600.0, 3600.0)],
)
def test_an_attempt_has_time_for_more_than_its_search(budget_s: float, timeout_s: float) -> None:
    assert made(budget_s=budget_s).timeout_s == timeout_s
    assert made(budget_s=budget_s, timeout_s=42.0).timeout_s == 42.0


@pytest.mark.parametrize(("modules", "deadline_s"), [(1, 3600.0), (6, 3600.0), (30, 18000.0), (5000, 604800.0)])
def test_the_last_of_many_modules_has_time_too(modules: int, deadline_s: float) -> None:
    assert for_modules(Policy(), modules).deadline_s == deadline_s


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"coverage": 101.0}, "coverage"),
        ({"budget_s": 0.0}, "budget_s"),
        ({"timeout_s": 1.0}, "timeout_s"),
        ({"repeats": 0}, "repeats"),
        ({"seed": -1}, "seed"),
        ({"engines": ["no engine"]}, "engines[0]"),
    ],
)
def test_a_value_out_of_range_is_refused_by_the_name_of_its_field(given: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidSubmissionError) as refused:
        made(**given)

    assert refused.value.field.rstrip("]").startswith(field.rstrip("0]"))


def test_an_interpreter_is_named_absolutely_and_its_link_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    monkeypatch.chdir(tmp_path)

    assert interpreter("bin/python") == str(tmp_path / "bin" / "python")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}/usr/bin")
    assert interpreter("python") == str(tmp_path / "bin" / "python")


def test_a_virtual_environment_stands_for_its_interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "env" / "bin").mkdir(parents=True)
    (tmp_path / "env" / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / "env" / "pyvenv.cfg").write_text("")
    monkeypatch.chdir(tmp_path)

    assert interpreter("env") == str(tmp_path / "env" / "bin" / "python")


def test_what_is_no_program_is_refused() -> None:
    with pytest.raises(InvalidSubmissionError, match="no program"):
        interpreter("/nowhere/python")
