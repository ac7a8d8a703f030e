"""The examples of docs/gateway.md, run as they stand."""

import re
import shutil
from pathlib import Path

import anyio
import pytest

from tests.support.gateways import TOKEN, gateway
from tests.support.world import world

DOCS = Path(__file__).parents[2] / "docs"
GUIDE = (DOCS / "gateway.md").read_text(encoding="utf-8")

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine: apt-get install curl")


@needs_curl
async def test_the_examples_of_the_guide_do_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "calc.py").write_text("def add(a, b):\n    return a + b\n", encoding="utf-8")
    script = "\n".join(["set -eu", *re.findall(r"```console\n(.*?)```", GUIDE, re.DOTALL)])

    async with world() as made, made.server.connect("gateway") as bus, gateway(bus) as site:
        environment = {"URL": site.place.url.rstrip("/"), "TOKEN": TOKEN, "PATH": "/usr/local/bin:/usr/bin:/bin"}
        # Into a file and not a pipe, which a listener that nobody reads any more would keep open for a while.
        with anyio.fail_after(60), (tmp_path / "said").open("wb") as said:
            ended = await anyio.run_process(
                ["bash", "-c", script], cwd=tmp_path, env=environment, check=False, stdout=said, stderr=said
            )

    out = (tmp_path / "said").read_text()
    assert ended.returncode == 0, out
    assert '"outcome":"completed"' in (tmp_path / "result.json").read_text()
    assert (tmp_path / "test_calc.py").read_text().startswith("def test_")
    [problem] = re.findall(r"```json\n(.*?)\n```", GUIDE, re.DOTALL)
    assert problem in out


def test_the_pictures_of_the_guide_are_there_and_small() -> None:
    for name in re.findall(r"\]\((images/[^)]+)\)", GUIDE):
        assert (DOCS / name).stat().st_size < 300_000
