"""From settings to a model, or to what is missing and the command that mends it."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from testwright import settings
from testwright.engines.openhands import OpenHandsEngine
from testwright.engines.openhands.models import OPENAI_URL, PRESETS, Choice, Missing, choose
from testwright.errors import SettingError
from testwright.settings import ModelSettings


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("URL", "API_KEY", "API_KEY_FILE", "RELAY_HOST"):
        monkeypatch.delenv(f"TESTWRIGHT_OPENHANDS_{name}", raising=False)
    for name in (
        "RECORD",
        "PRESET",
        "BASE_URL",
        "MODEL",
        "FALLBACK_MODELS",
        "API_KEY",
        "API_KEY_FILE",
        "MAX_COST",
        "REPLAY",
    ):
        monkeypatch.delenv(f"TESTWRIGHT_LLM_{name}", raising=False)


def chosen(said: ModelSettings, *, has_key: bool = True) -> Choice:
    found = choose(said, has_key=has_key)
    assert isinstance(found, Choice)
    return found


def test_a_model_is_asked_for_at_openai_unless_another_server_is_named() -> None:
    assert chosen(ModelSettings(model="m")).base_url == OPENAI_URL
    assert chosen(ModelSettings(model="m", base_url="http://here/v1")).base_url == "http://here/v1"


def test_a_preset_names_server_model_and_fallbacks() -> None:
    found = chosen(ModelSettings(preset="openai"))

    assert (found.base_url, found.models) == (PRESETS["openai"].base_url, PRESETS["openai"].models)
    assert len(found.models) > 1


def test_what_is_said_goes_before_the_preset() -> None:
    said = ModelSettings(preset="openai", model="mine", fallback_models=("other", "mine"), base_url="https://there/v1")

    found = chosen(said)

    assert (found.base_url, found.models) == ("https://there/v1", ("mine", "other"))


def test_fallbacks_of_ones_own_replace_those_of_the_preset() -> None:
    assert chosen(ModelSettings(preset="openai", fallback_models=("mine",))).models[1:] == ("mine",)


def test_cost_is_known_only_where_both_prices_are() -> None:
    both = ModelSettings(model="m", input_price_usd=1.0, output_price_usd=2.0)

    assert chosen(ModelSettings(model="m", input_price_usd=1.0)).prices is None
    assert chosen(both).prices is not None


@pytest.mark.parametrize(
    ("said", "has_key", "what", "remedy"),
    [
        (ModelSettings(), True, "no model", "TESTWRIGHT_LLM_MODEL"),
        (ModelSettings(preset="ollama"), True, "no model", "TESTWRIGHT_LLM_MODEL"),
        (ModelSettings(model="m"), False, "no key", "TESTWRIGHT_LLM_API_KEY"),
        (ModelSettings(preset="nope", model="m"), True, "no preset 'nope'", "openai"),
        (ModelSettings(model="m", base_url="api.openai.com"), True, "no address", "TESTWRIGHT_LLM_BASE_URL"),
        (ModelSettings(model="m", max_cost_usd=1.0), True, "prices", "TESTWRIGHT_LLM_INPUT_PRICE"),
    ],
)
def test_what_is_missing_is_named_with_what_mends_it(
    said: ModelSettings, has_key: bool, what: str, remedy: str
) -> None:
    found = choose(said, has_key=has_key)

    assert isinstance(found, Missing)
    assert what in found.what
    assert remedy in found.remedy


def test_a_replay_needs_no_key() -> None:
    assert chosen(ModelSettings(model="m", replay=Path("records")), has_key=False)


def test_the_key_is_read_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("sk-in-a-file\n")
    monkeypatch.setenv("TESTWRIGHT_LLM_API_KEY_FILE", str(tmp_path / "key"))

    assert settings.model_key() == "sk-in-a-file"


def test_a_key_file_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESTWRIGHT_LLM_API_KEY_FILE", str(tmp_path / "gone"))

    with pytest.raises(SettingError, match=r"TESTWRIGHT_LLM_API_KEY_FILE .*gone"):
        settings.model_key()


@pytest.mark.parametrize("text", ["much", "-1", "nan", "inf"])
def test_a_number_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("TESTWRIGHT_LLM_MAX_COST", text)

    with pytest.raises(SettingError, match="TESTWRIGHT_LLM_MAX_COST"):
        settings.model()


def test_fallback_models_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESTWRIGHT_LLM_FALLBACK_MODELS", " one, two,,")

    assert settings.model().fallback_models == ("one", "two")


def test_the_engine_says_what_is_missing_and_then_which_model_it_would_use(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = OpenHandsEngine().status()
    monkeypatch.setenv("TESTWRIGHT_LLM_MODEL", "mine")
    monkeypatch.setenv("TESTWRIGHT_LLM_API_KEY", "sk-secret")
    ready = OpenHandsEngine().status()
    monkeypatch.setenv("TESTWRIGHT_LLM_MAX_COST", "much")
    wrong = OpenHandsEngine().status()

    assert (missing.available, missing.detail) == (False, "no model is named")
    assert (ready.available, ready.detail) == (True, f"mine at {OPENAI_URL}")
    assert (wrong.available, wrong.remedy) == (False, "unset TESTWRIGHT_LLM_MAX_COST")


def test_before_it_is_installed_the_status_names_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TESTWRIGHT_LLM_MODEL", "m")
    monkeypatch.setenv("TESTWRIGHT_LLM_API_KEY", "any")
    monkeypatch.setenv("TESTWRIGHT_CACHE", str(tmp_path))
    monkeypatch.setattr("testwright.engines.openhands.engine.has_interpreter", _everywhere)

    before = OpenHandsEngine().status()
    (tmp_path / "openhands-0123").mkdir()
    after = OpenHandsEngine().status()

    assert before.available
    assert "`testwright engines install openhands`" in before.detail
    assert "install" not in after.detail


def test_with_an_agent_server_no_interpreter_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESTWRIGHT_LLM_MODEL", "m")
    monkeypatch.setenv("TESTWRIGHT_LLM_API_KEY", "any")
    monkeypatch.setenv("TESTWRIGHT_OPENHANDS_URL", "https://agents:8000")
    monkeypatch.setattr("testwright.engines.openhands.engine.has_interpreter", _nowhere)

    status = OpenHandsEngine().status()

    assert status.available
    assert status.detail.endswith("by the agent server https://agents:8000")


@pytest.mark.parametrize(
    ("named", "what"),
    [
        ({"URL": "agents:8000"}, "is no plain address"),
        ({"URL": "https://me:secret@agents:8000"}, "is no plain address"),
        ({"URL": "http://agents:8000", "API_KEY_FILE": "/nowhere/key"}, "TESTWRIGHT_OPENHANDS_API_KEY_FILE"),
    ],
)
def test_what_is_wrong_with_an_agent_server_is_told(
    named: dict[str, str], what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TESTWRIGHT_LLM_MODEL", "m")
    monkeypatch.setenv("TESTWRIGHT_LLM_API_KEY", "any")
    for name, value in named.items():
        monkeypatch.setenv(f"TESTWRIGHT_OPENHANDS_{name}", value)

    status = OpenHandsEngine().status()

    assert not status.available
    assert what in status.detail
    assert status.remedy
    assert "secret" not in f"{status.detail} {status.remedy}"


def test_without_a_relay_nothing_can_be_recorded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TESTWRIGHT_LLM_MODEL", "m")
    monkeypatch.setenv("TESTWRIGHT_LLM_API_KEY", "any")
    monkeypatch.setenv("TESTWRIGHT_OPENHANDS_URL", "http://agents:8000")
    monkeypatch.setenv("TESTWRIGHT_LLM_RECORD", str(tmp_path))

    refused = OpenHandsEngine().status()
    monkeypatch.setenv("TESTWRIGHT_OPENHANDS_RELAY_HOST", "here")
    relayed = OpenHandsEngine().status()

    assert (refused.available, relayed.available) == (False, True)
    assert "TESTWRIGHT_OPENHANDS_RELAY_HOST" in str(refused.remedy)


def _everywhere(_: Sequence[str]) -> bool:
    return True


def _nowhere(_: Sequence[str]) -> bool:
    return False
