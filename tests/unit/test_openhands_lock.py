"""The lock of the agent's environment: what we choose is what is installed."""

from pathlib import Path

from testwright.engines.openhands import local

CHOSEN = Path(__file__).parents[2] / "deploy" / "engines" / "openhands" / "requirements.in"


def test_the_lock_pins_everything_and_has_the_versions_that_we_chose() -> None:
    chosen = {line for line in CHOSEN.read_text("utf-8").splitlines() if line and not line.startswith("#")}
    locked = local.requirements()

    assert chosen
    assert chosen <= set(locked)
    assert all("==" in line for line in locked)
