"""How actors are put together on this machine."""

import logging
from typing import Any, cast

import pytest

from tests.support.buses import memory_world
from testwright import app, settings
from testwright.bus.topology import declare


@pytest.mark.parametrize("role", ["generator", "verifier"])
async def test_a_worker_opens_as_many_slots_as_there_is_memory_for_and_says_so(
    role: app.Role, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(app, "free_mb", lambda: 3 * app.SLOT_MB)
    async with memory_world(declare(["echo"])) as world:
        bus = cast("Any", await world.connect(role))
        with caplog.at_level(logging.WARNING):
            actor = app.build(role, bus, settings.load(), app.Options(concurrency=8, engines=("echo",)))

    assert [reaction.slots for reaction in actor.reactions] == [3]
    assert f"fewer-slots actor={role} slots=3 wanted=8" in caplog.text
