"""The gateway says how it is to everyone, and its figures to those who may see everything."""

from collections.abc import AsyncIterator

import pytest

from tests.support.buses import memory_world
from tests.support.gateways import TEAM_TOKEN, Site, gateway
from testwright.bus.topology import declare


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """Run a gateway on a memory server."""
    async with memory_world(declare(["echo"])) as world, gateway(await world.connect("gateway")) as made:
        yield made


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_everyone_may_know_how_it_is(site: Site, path: str) -> None:
    async with site.caller() as http:
        assert (await http.get(path)).status_code == 200


async def test_figures_are_for_a_token_of_all_namespaces(site: Site) -> None:
    async with site.caller() as stranger, site.caller(Authorization=f"Bearer {TEAM_TOKEN}") as team:
        found = [(await http.get("/metrics")).status_code for http in (stranger, team, site.http)]

    assert found == [401, 403, 200]


async def test_figures_are_in_the_format_of_prometheus(site: Site) -> None:
    answer = await site.http.get("/metrics")

    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "# TYPE testwright_tasks_total counter" in answer.text
