"""Environments built by the real uv. Those that install something need a package index."""

import sys
from pathlib import Path

import anyio
import pytest

from tests.support.sandboxes import RecordingSandbox
from testwright import settings
from testwright.environments import Environment
from testwright.environments.store import Store
from testwright.environments.uv import UvEnvironments
from testwright.environments.uv_command import Uv
from testwright.errors import EnvironmentBuildError
from testwright.sandbox import Command
from testwright.sandbox.local import LocalSandbox
from testwright_schemas import Target

TARGET = Target(module="shop", path="shop.py")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "a project, très petit"
    root.mkdir()
    (root / "shop.py").write_text("import iniconfig\n")
    return root


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "a cache"


def _pyproject(root: Path, *dependencies: str, python: str = ">=3.11") -> None:
    listed = ", ".join(f'"{each}"' for each in dependencies)
    text = f'[project]\nname = "shop"\nversion = "1"\nrequires-python = "{python}"\ndependencies = [{listed}]\n'
    (root / "pyproject.toml").write_text(text)


async def _says(environment: Environment, code: str, *extra: Path, env: dict[str, str] | None = None) -> str:
    """Return what ``code`` prints in the environment, inside the strongest sandbox there is."""
    readable = (*environment.prefixes, *extra)
    command = Command(
        [str(environment.python), "-c", code], cwd=environment.prefixes[0], readable=readable, env=env or {}
    )
    done = await LocalSandbox().run(command)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().strip()


def _left(cache: Path) -> list[str]:
    return [path.name for path in cache.iterdir() if path.is_dir()]


async def test_a_project_without_metadata_gets_a_bare_interpreter(root: Path, cache: Path) -> None:
    environment = await UvEnvironments(cache).for_project(root, TARGET, None)

    code = "import sys, sysconfig; print(sys.version_info[0], sys.version_info[1], sysconfig.get_path('purelib'))"
    major, minor, site_packages = (await _says(environment, code)).split(" ", 2)
    assert environment.version == (int(major), int(minor))
    assert site_packages == str(environment.site_packages)


@pytest.mark.slow
async def test_a_project_gets_what_its_pyproject_lists(root: Path, cache: Path) -> None:
    _pyproject(root, "iniconfig")

    environment = await UvEnvironments(cache).for_project(root, TARGET, None)

    assert "iniconfig" in await _says(environment, "import iniconfig; print(iniconfig.__name__)")


@pytest.mark.slow
async def test_a_script_gets_what_its_header_lists(root: Path, cache: Path) -> None:
    (root / "shop.py").write_text("# /// script\n# dependencies = ['iniconfig']\n# ///\n")

    environment = await UvEnvironments(cache).for_project(root, TARGET, None)

    assert await _says(environment, "import iniconfig") == ""


@pytest.mark.slow
async def test_dynamic_dependencies_are_asked_of_the_build(root: Path, cache: Path) -> None:
    (root / "setup.py").write_text("from setuptools import setup\nsetup(name='shop', install_requires=['iniconfig'])\n")

    environment = await UvEnvironments(cache).for_project(root, TARGET, None)

    assert await _says(environment, "import iniconfig") == ""
    assert not list(environment.site_packages.glob("shop*"))


@pytest.mark.slow
async def test_the_second_call_starts_nothing(root: Path, cache: Path) -> None:
    _pyproject(root, "iniconfig")
    runner = RecordingSandbox(LocalSandbox(allow_bubblewrap=False))
    environments = UvEnvironments(cache, runner=runner)
    first = await environments.for_project(root, TARGET, None)
    runner.commands.clear()

    assert await environments.for_project(root, TARGET, None) == first
    assert runner.commands == []


@pytest.mark.slow
async def test_a_new_process_finds_what_an_older_one_built(root: Path, cache: Path) -> None:
    first = await UvEnvironments(cache).for_project(root, TARGET, None)
    runner = RecordingSandbox(LocalSandbox(allow_bubblewrap=False))

    assert await UvEnvironments(cache, runner=runner).for_project(root, TARGET, None) == first
    assert not [command for command in runner.commands if "venv" in command.argv]


async def test_other_requirements_make_another_environment(root: Path, cache: Path) -> None:
    environments = UvEnvironments(cache)
    _pyproject(root, python=">=3.10")
    first = await environments.for_project(root, TARGET, None)
    (root / "pyproject.toml").unlink()
    (root / "requirements.txt").write_text("# nothing yet\n")

    second = await environments.for_project(root, TARGET, None)

    assert first.digest != second.digest


async def test_two_at_once_build_once(root: Path, cache: Path) -> None:
    runners: list[RecordingSandbox] = []
    async with anyio.create_task_group() as tasks:
        for _ in range(2):
            runner = RecordingSandbox(LocalSandbox(allow_bubblewrap=False))
            runners.append(runner)
            # Two of these share the folder and nothing else, as two processes do.
            tasks.start_soon(UvEnvironments(cache, runner=runner).for_project, root, TARGET, None)

    made = [command for runner in runners for command in runner.commands if "venv" in command.argv]
    assert len(made) == 1
    assert len(_left(cache)) == 1


@pytest.mark.slow
async def test_a_package_that_does_not_exist_is_told_and_nothing_is_left(root: Path, cache: Path) -> None:
    _pyproject(root, "testwright-has-no-such-dependency")

    with pytest.raises(EnvironmentBuildError, match="testwright-has-no-such-dependency") as caught:
        await UvEnvironments(cache).for_project(root, TARGET, None)

    assert caught.value.cause == "dependency-not-installable"
    assert not caught.value.retryable
    assert b"testwright-has-no-such-dependency" in caught.value.log
    assert _left(cache) == []


@pytest.mark.slow
async def test_an_index_that_does_not_answer_is_worth_a_retry(
    root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_NO_CACHE", "1")
    _pyproject(root, "iniconfig")

    with pytest.raises(EnvironmentBuildError) as caught:
        await UvEnvironments(cache).for_project(root, TARGET, None)

    assert caught.value.cause == "index-unreachable"
    assert caught.value.retryable


async def test_requires_python_is_honoured(root: Path, cache: Path) -> None:
    exactly = f"=={sys.version_info[0]}.{sys.version_info[1]}.*"
    _pyproject(root, python=exactly)

    environment = await UvEnvironments(cache).for_project(root, TARGET, None)

    assert environment.version == sys.version_info[:2]


async def test_an_interpreter_that_nobody_has_is_told(root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    _pyproject(root, python=">=3.98")

    with pytest.raises(EnvironmentBuildError, match=r">=3\.98") as caught:
        await UvEnvironments(cache).for_project(root, TARGET, None)

    assert caught.value.cause == "no-interpreter"
    assert not caught.value.retryable


async def test_an_interpreter_that_is_ready_is_used_as_it_is(root: Path, cache: Path) -> None:
    _pyproject(root, "testwright-has-no-such-dependency")

    environment = await UvEnvironments(cache).for_project(root, TARGET, sys.executable)

    assert environment.python == Path(sys.executable)
    assert Path(sys.base_prefix) in environment.prefixes
    assert await _says(environment, "import pytest; print(pytest.__name__)") == "pytest"
    assert not await anyio.Path(cache).exists()


@pytest.mark.parametrize("program", ["/nowhere/python", "/bin/ls"])
async def test_a_program_that_is_no_interpreter_is_told(root: Path, cache: Path, program: str) -> None:
    with pytest.raises(EnvironmentBuildError, match=program) as caught:
        await UvEnvironments(cache).for_project(root, TARGET, program)

    assert caught.value.cause == "no-interpreter"


async def test_what_pyenv_has_is_found_without_starting_its_shims(
    root: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, version = tmp_path / "pyenv", ".".join(map(str, sys.version_info[:3]))
    started, shim = home / "started", home / "shims" / "python3"
    shim.parent.mkdir(parents=True)
    shim.write_text(f'#!/bin/sh\necho "$0" >>"{started}"\nexec "{sys.executable}" "$@"\n')
    shim.chmod(0o755)
    (home / "versions").mkdir()
    (home / "versions" / version).symlink_to(sys.base_prefix)
    monkeypatch.setenv("PYENV_ROOT", str(home))
    monkeypatch.setenv("PATH", str(shim.parent))

    found = await Uv(LocalSandbox(allow_bubblewrap=False)).installed()

    assert home / "versions" / version / "bin" / "python" in [each.python for each in found]
    assert not started.exists()


async def test_keys_of_ours_do_not_reach_the_installer(
    root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "s3cret")
    monkeypatch.setenv("NATS_URL", "s3cret")
    monkeypatch.setenv("UV_INDEX_OURS_USERNAME", "kept")
    runner = RecordingSandbox(LocalSandbox(allow_bubblewrap=False))

    await UvEnvironments(cache, runner=runner).for_project(root, TARGET, None)

    values = [value for command in runner.commands for value in command.env.values()]
    assert "kept" in values
    assert "s3cret" not in values


@pytest.mark.slow
async def test_a_tool_sees_the_packages_of_the_project_behind_its_own(root: Path, cache: Path) -> None:
    environments = UvEnvironments(cache)
    _pyproject(root, "iniconfig==2.0.0", "typing-extensions")
    project = await environments.for_project(root, TARGET, None)

    tool = await environments.for_tool("probe", ["iniconfig==2.1.0"], ["3.2"], like=project)

    code = "import typing_extensions; from importlib.metadata import version; print(version('iniconfig'))"
    assert await _says(tool, code) == "2.1.0"
    assert tool.version == project.version


async def test_a_tool_without_its_interpreter_is_told(cache: Path) -> None:
    with pytest.raises(EnvironmentBuildError, match=r"probe needs Python 3\.2") as caught:
        await UvEnvironments(cache).for_tool("probe", [], ["3.2"])

    assert caught.value.cause == "no-interpreter"


@pytest.mark.slow
async def test_an_overlay_is_importable_by_the_interpreter_it_was_built_for(root: Path, cache: Path) -> None:
    environments = UvEnvironments(cache)
    project = await environments.for_project(root, TARGET, None)

    overlay = await environments.overlay("probe", ["iniconfig"], project)

    env = {"PYTHONPATH": str(overlay)}
    assert await _says(project, "import iniconfig; print(iniconfig.__file__)", overlay, env=env) == str(
        overlay / "iniconfig" / "__init__.py"
    )


async def test_the_users_other_files_are_not_read_through_a_link(root: Path, cache: Path, tmp_path: Path) -> None:
    (tmp_path / "private").write_text("s3cret=>1\n")
    (root / "requirements.txt").symlink_to(tmp_path / "private")

    with pytest.raises(EnvironmentBuildError) as caught:
        await UvEnvironments(cache).for_project(root, TARGET, None)

    assert "s3cret" not in str(caught.value)


async def test_a_build_that_is_cancelled_leaves_nothing_and_lets_the_next_one_in(cache: Path) -> None:
    store = Store(cache)
    begun = anyio.Event()

    async def endless(folder: Path) -> None:
        await anyio.Path(folder, "half").write_text("")
        begun.set()
        await anyio.sleep_forever()

    async def whole(folder: Path) -> None:
        await anyio.Path(folder, "whole").write_text("")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(store.get, "thing", endless)
        await begun.wait()
        assert _left(cache) != ["thing"]
        tasks.cancel_scope.cancel()

    assert _left(cache) == []
    built = await store.get("thing", whole)
    assert [path.name async for path in anyio.Path(built).iterdir()] == ["whole"]


async def test_what_a_killed_process_left_half_built_is_cleared(cache: Path) -> None:
    (cache / ".thing.left").mkdir(parents=True)

    async def nothing(folder: Path) -> None:
        pass

    await Store(cache).get("thing", nothing)

    assert _left(cache) == ["thing"]


async def test_a_cache_that_cannot_be_written_to_is_named_and_nobody_tries_again(cache: Path) -> None:
    await anyio.Path(cache).write_text("in the way")

    async def nothing(folder: Path) -> None:
        pass

    with pytest.raises(EnvironmentBuildError, match="set TESTWRIGHT_CACHE to another one") as refused:
        await Store(cache / "testwright").get("thing", nothing)

    assert (refused.value.cause, refused.value.retryable) == ("cache-not-writable", False)
    assert str(cache) in str(refused.value)


async def test_uv_that_cannot_write_to_its_cache_says_so(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await anyio.Path(cache).write_text("in the way")
    monkeypatch.setenv("UV_CACHE_DIR", str(cache / "uv"))

    with pytest.raises(EnvironmentBuildError, match="Failed to initialize cache") as refused:
        await Uv(LocalSandbox(allow_bubblewrap=False)).installed()

    assert (refused.value.cause, refused.value.retryable) == ("cache-not-writable", False)


async def test_uv_keeps_its_cache_beside_ours_where_ours_is_elsewhere(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TESTWRIGHT_CACHE", str(cache))
    monkeypatch.delenv("UV_CACHE_DIR", raising=False)
    assert settings.uv_environment()["UV_CACHE_DIR"] == str(cache / "uv")

    monkeypatch.setenv("UV_CACHE_DIR", "/of/its/own")
    assert settings.uv_environment()["UV_CACHE_DIR"] == "/of/its/own"


async def test_whoever_gives_up_waiting_does_not_keep_the_lock(cache: Path) -> None:
    begun, go_on = anyio.Event(), anyio.Event()

    async def slow(folder: Path) -> None:
        begun.set()
        await go_on.wait()
        raise EnvironmentBuildError("dependency-not-installable", "no")

    async def nothing(folder: Path) -> None:
        pass

    async def first() -> None:
        with pytest.raises(EnvironmentBuildError):
            await Store(cache).get("thing", slow)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(first)
        await begun.wait()
        with anyio.move_on_after(0.05) as impatient:
            await Store(cache).get("thing", nothing)
        assert impatient.cancelled_caught
        go_on.set()

    assert (await Store(cache).get("thing", nothing)).name == "thing"
