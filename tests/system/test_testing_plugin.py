"""The fixtures that users get from ``testwright.testing``, in a project of their own."""

import re
from os import environ
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.nats

HOME = environ["HOME"]  # the plugin for plugins gives tests another one, where no environment is built yet
GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "test-with-testwright.md"


@pytest.mark.slow
def test_the_guide_s_tests_pass_in_a_project_that_has_them(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", HOME)
    blocks = dict(re.findall(r"```python\n# (\S+)\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL))
    for name, text in blocks.items():
        path = pytester.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    pytester.makeini("[pytest]\nfilterwarnings = error\n")

    ended = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider", "tests")

    ended.assert_outcomes(passed=4)


def test_fixtures_are_there_only_for_those_who_ask(pytester: pytest.Pytester) -> None:
    shown = pytester.runpytest_subprocess("--fixtures", "-q")

    assert "testwright_client" not in shown.stdout.str()
