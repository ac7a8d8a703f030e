"""Projects of every usual shape, from the files to the verified suite."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from testwright.app import Options
from testwright.cli.service import complete
from testwright.client import Client
from testwright_schemas import Policy

pytestmark = [pytest.mark.nats, pytest.mark.slow, pytest.mark.xdist_group("pipeline")]

POLICY = Policy(engines=("echo",), repeats=1, mutants=False)
MEANT = "def meant():\n    return 1\n"
DECOY = "def decoy():\n    return 1\n"

SHAPES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    # the project's files, and the module that each of those to be tested is
    "src layout": (
        {"pyproject.toml": "", "src/shop/__init__.py": "", "src/shop/pricing.py": MEANT, "pricing.py": DECOY},
        {"src/shop/pricing.py": "shop.pricing"},
    ),
    "flat layout": (
        {"shop/__init__.py": "", "shop/pricing.py": MEANT, "pricing.py": DECOY},
        {"shop/pricing.py": "shop.pricing"},
    ),
    "single file": ({"pricing.py": MEANT}, {"pricing.py": "pricing"}),
    "package itself": ({"shop/__init__.py": MEANT}, {"shop/__init__.py": "shop"}),
    "namespace package": (
        {"pyproject.toml": "", "src/acme/shop/__init__.py": "", "src/acme/shop/pricing.py": MEANT},
        {"src/acme/shop/pricing.py": "acme.shop.pricing"},
    ),
    "two modules of one name": (
        {"a/__init__.py": "", "a/tools.py": MEANT, "b/__init__.py": "", "b/tools.py": MEANT, "tools.py": DECOY},
        {"a/tools.py": "a.tools", "b/tools.py": "b.tools"},
    ),
    "a name that the standard library has": (
        {"shop/__init__.py": "", "shop/json.py": MEANT, "shop/random.py": DECOY},
        {"shop/json.py": "shop.json"},
    ),
    "beside a name that our own tools have": (
        {"coverage.py": DECOY, "pytest.py": DECOY, "pricing.py": MEANT},
        {"pricing.py": "pricing"},
    ),
    "a folder that no import can spell": (
        {"my code/pricing.py": MEANT, "pricing.py": DECOY},
        {"my code/pricing.py": "pricing"},
    ),
    "relative imports": (
        {
            "shop/__init__.py": "from .deep.pricing import meant as meant\n",
            "shop/rates.py": "RATE = 2\n",
            "shop/deep/__init__.py": "",
            "shop/deep/pricing.py": f"from ..rates import RATE as RATE\n\n\n{MEANT}",
        },
        {"shop/deep/pricing.py": "shop.deep.pricing"},
    ),
    "a project in a repository of several": (
        {"one/src/shop/__init__.py": "", "one/src/shop/pricing.py": MEANT, "two/src/shop/__init__.py": DECOY},
        {"one/src/shop/pricing.py": "shop.pricing"},
    ),
}


@pytest.fixture(scope="module")
async def client() -> AsyncIterator[Client]:
    """Run a server with everything on it, and return a client."""
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(complete(None, Options(concurrency=2)))
        yield await stack.enter_async_context(Client.connect(url))


@pytest.mark.parametrize("shape", SHAPES)
async def test_the_module_that_is_meant_is_tested(client: Client, tmp_path: Path, shape: str) -> None:
    files, modules = SHAPES[shape]
    root = written(tmp_path / "a project of mine, größer", files)

    job = await client.submit([root / name for name in modules], POLICY)

    assert [task.module for task in job.tasks] == sorted(modules.values())
    for task in job.tasks:
        ended = await client.wait(task.id, timeout=100)
        assert (ended.outcome, ended.error) == ("completed", None)
        assert [test.verdict for test in ended.tests] == ["kept"]
        assert ended.coverage is not None
        assert ended.coverage.covered_lines > 0
        [suite] = (await client.files(ended)).values()
        assert f'import_module("{task.module}")' in suite.decode()
        assert '["meant"]' in suite.decode()


def written(root: Path, files: Mapping[str, str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return root
