"""The templates for CI: what their platforms' schemas take, and shell that parses."""

import subprocess
import sys
from pathlib import Path

import pytest

CI = Path(__file__).parents[2] / "deploy" / "ci"
TEMPLATES = [("vendor.github-actions", "github/action.yml"), ("vendor.gitlab-ci", "gitlab/testwright.yml")]


def check(schema: str, file: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("schema", "name"), TEMPLATES)
def test_a_template_is_what_its_platform_takes(schema: str, name: str) -> None:
    checked = check(schema, CI / name)

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_broken_template_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "action.yml"
    broken.write_text((CI / "github" / "action.yml").read_text().replace("using: composite", "using: magic"))

    assert check("vendor.github-actions", broken).returncode == 1


@pytest.mark.parametrize("name", ["changed.sh", "pre-push"])
def test_the_scripts_parse(name: str) -> None:
    parsed = subprocess.run(["bash", "-n", str(CI / name)], capture_output=True, text=True, check=False)

    assert (parsed.returncode, parsed.stderr) == (0, "")
