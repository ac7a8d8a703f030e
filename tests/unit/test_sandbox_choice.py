"""Which sandbox is taken, and which is not enough."""

from typing import cast

import pytest

from testwright.errors import SandboxUnavailableError, SettingError
from testwright.sandbox import Command, Completed, OnLine, Sandbox
from testwright.sandbox.choice import STRONG, demand, mode
from testwright_schemas import Isolation, Policy


class Level(Sandbox):
    """Has a level, and runs nothing."""

    def __init__(self, isolation: Isolation) -> None:
        self._isolation: Isolation = isolation

    @property
    def isolation(self) -> Isolation:
        return self._isolation

    async def run(self, command: Command, on_line: OnLine | None = None) -> Completed:
        raise NotImplementedError


@pytest.mark.parametrize("name", ["auto", "required", "docker"])
def test_a_sandbox_is_chosen_by_name(name: str) -> None:
    assert mode(name) == name


def test_a_name_that_nobody_knows_is_told_with_those_there_are() -> None:
    with pytest.raises(SettingError, match="'strong' and not one of auto, required, docker"):
        mode("strong")


@pytest.mark.parametrize("level", sorted(STRONG))
def test_a_task_that_demands_isolation_runs_where_there_is_one(level: str) -> None:
    demand(Policy(sandbox="required"), Level(cast("Isolation", level)))


@pytest.mark.parametrize("level", ["process-group", "none"])
def test_a_task_that_demands_isolation_does_not_run_without(level: str) -> None:
    with pytest.raises(SandboxUnavailableError, match=f"level {level} only") as caught:
        demand(Policy(sandbox="required"), Level(cast("Isolation", level)))

    assert caught.value.cause == "sandbox-unavailable"


def test_a_task_that_demands_nothing_runs_anywhere() -> None:
    demand(Policy(), Level("none"))
