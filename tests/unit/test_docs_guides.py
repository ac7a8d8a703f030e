"""What guides show as packages of readers' own, installed and used as the guides say."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.support.assignments import Reports, assignment
from testwright.engines import registry
from testwright.errors import SettingError
from testwright.sandbox import Command
from testwright.sandbox.choice import choose, mode

GUIDES = Path(__file__).parents[2] / "docs" / "how-to"


def install(guide: str, site: Path) -> None:
    """Install the package of a guide into a folder as an installer would."""
    text = (GUIDES / guide).read_text(encoding="utf-8")
    [metadata] = re.findall(r"```toml\n# pyproject.toml\n(.*?)```", text, re.DOTALL)
    [module] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    project = tomllib.loads(metadata)["project"]
    name = project["name"].replace("-", "_")
    about = site / f"{name}-{project['version']}.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = project["entry-points"].items()
    points = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in named.items()) for group, named in groups]
    (about / "entry_points.txt").write_text("\n".join(points))
    (site / f"{name}.py").write_text(module)


async def test_the_engine_of_the_guide_is_found_and_delivers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install("own-engine.md", tmp_path / "site")
    monkeypatch.syspath_prepend(tmp_path / "site")

    registry.check("constant")
    made = assignment(tmp_path, {"calc.py": "def add(a, b):\n    return a + b\n"}, "calc")
    candidate = await registry.load("constant").generate(made, Reports())

    assert "constant" in registry.names()
    [text] = candidate.files.values()
    assert b"import_module('calc')" in text


async def test_the_sandbox_of_the_guide_runs_what_is_foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingError, match="'gentle' and not one of auto, required, docker"):
        mode("gentle")
    install("own-sandbox.md", tmp_path / "site")
    monkeypatch.syspath_prepend(tmp_path / "site")

    sandbox = choose(mode("gentle"))
    done = await sandbox.run(Command(argv=["nice"], cwd=tmp_path, readable=[tmp_path]))

    assert (done.returncode, done.stdout.strip()) == (0, b"19")
    assert done.isolation == sandbox.isolation
