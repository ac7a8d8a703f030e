"""The server's URL holds credentials, so a file may hold it."""

from pathlib import Path

import pytest

from testwright import settings
from testwright.errors import SettingError


@pytest.fixture(autouse=True)
def _nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NATS_URL", "NATS_URL_FILE", "TESTWRIGHT_SYSTEM_SERVER", "TESTWRIGHT_SYSTEM_SERVER_FILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("variable", "attribute"), [("NATS_URL", "server"), ("TESTWRIGHT_SYSTEM_SERVER", "system_server")]
)
def test_a_url_is_read_from_the_file_that_is_named(
    variable: str, attribute: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "url"
    secret.write_text("nats://actor:word@bus:4222\n", encoding="utf-8")
    monkeypatch.setenv(f"{variable}_FILE", str(secret))

    assert getattr(settings.load(), attribute) == "nats://actor:word@bus:4222"


def test_the_variable_itself_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "url"
    secret.write_text("nats://file:4222", encoding="utf-8")
    monkeypatch.setenv("NATS_URL_FILE", str(secret))
    monkeypatch.setenv("NATS_URL", "nats://variable:4222")

    assert settings.load().server == "nats://variable:4222"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NATS_URL_FILE", str(tmp_path / "missing"))

    with pytest.raises(SettingError, match="NATS_URL_FILE cannot be read"):
        settings.load()


def test_without_either_there_is_no_server() -> None:
    assert settings.load().server is None
