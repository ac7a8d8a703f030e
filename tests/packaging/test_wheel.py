"""The wheel, as a user gets it: an editable install proves nothing about it."""

import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from configparser import ConfigParser
from email.message import Message
from email.parser import Parser
from os import environ
from pathlib import Path

import pytest

from testwright import settings

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "testwright": ROOT / "services" / "testwright",
    "testwright_schemas": ROOT / "schemas" / "testwright_schemas",
}
LEFTOVERS = {"__pycache__"}

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("wheel")]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """Yield the wheel, built from this tree in an isolated environment."""
    uv = shutil.which("uv", path=settings.tool_path())
    assert uv
    folder = tmp_path_factory.mktemp("dist")
    command = [uv, "build", "--wheel", "--quiet", "--out-dir", str(folder), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    [file] = folder.glob("*.whl")
    with zipfile.ZipFile(file) as opened:
        yield opened


GUIDE = ROOT / "docs" / "how-to" / "test-with-testwright.md"


def test_the_fixtures_serve_a_project_that_has_the_wheel_and_pytest(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    uv = shutil.which("uv", path=settings.tool_path())
    assert uv
    assert wheel.filename
    python = tmp_path / "venv" / "bin" / "python"
    for blocks in re.findall(r"```python\n# (\S+)\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL):
        path = tmp_path / "project" / blocks[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(blocks[1], encoding="utf-8")
    (tmp_path / "project" / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\nanyio_mode = auto\n")
    surroundings = {name: value for name, value in environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    for command in (
        [uv, "venv", "--quiet", "--python", sys.executable, str(tmp_path / "venv")],
        [uv, "pip", "install", "--quiet", "--python", str(python), wheel.filename, "pytest"],
        [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
    ):
        ended = subprocess.run(
            command, cwd=tmp_path / "project", env=surroundings, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr

    assert "4 passed" in ended.stdout


def metadata(wheel: zipfile.ZipFile, name: str) -> str:
    [path] = [path for path in wheel.namelist() if path.endswith(f".dist-info/{name}")]
    return wheel.read(path).decode()


def headers(wheel: zipfile.ZipFile) -> Message:
    return Parser().parsestr(metadata(wheel, "METADATA"))


def test_only_our_two_packages_reach_site_packages(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}

    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)


def test_every_file_of_the_packages_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    expected = {
        f"{package}/{path.relative_to(folder).as_posix()}"
        for package, folder in PACKAGES.items()
        for path in folder.rglob("*")
        if path.is_file() and LEFTOVERS.isdisjoint(path.parts)
    }

    assert {name for name in wheel.namelist() if ".dist-info/" not in name} == expected
    assert {"testwright/py.typed", "testwright_schemas/py.typed"} <= expected
    assert "testwright/engines/pynguin-requirements.txt" in expected
    assert "testwright/verification/_runner/__main__.py" in expected


def test_the_command_and_the_engines_are_declared(wheel: zipfile.ZipFile) -> None:
    points = ConfigParser()
    points.read_string(metadata(wheel, "entry_points.txt"))

    assert points["console_scripts"]["testwright"] == "testwright.cli:main"
    assert {"echo", "ghostwriter", "pynguin"} <= set(points["testwright.engines"])
    for point in (*points["console_scripts"].values(), *points["testwright.engines"].values()):
        stem = point.split(":")[0].replace(".", "/")
        assert {f"{stem}.py", f"{stem}/__init__.py"} & set(wheel.namelist()), point


def test_the_licence_comes_along(wheel: zipfile.ZipFile) -> None:
    assert headers(wheel)["License-Expression"] == "Apache-2.0"
    assert headers(wheel)["License-File"] == "LICENSE"
    assert "Apache License" in metadata(wheel, "licenses/LICENSE")


def test_requirements_are_those_of_running_not_of_developing(wheel: zipfile.ZipFile) -> None:
    required = {line.split(">=")[0].split("<")[0] for line in headers(wheel).get_all("Requires-Dist", [])}

    assert {"anyio", "msgspec", "nats-py"} <= required
    assert required.isdisjoint({"pytest", "mypy", "pynguin", "hypothesis"})
    assert headers(wheel)["Requires-Python"] == ">=3.11"
