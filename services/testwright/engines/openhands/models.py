"""Which model an attempt uses, and what is missing before it can: from settings alone, nothing is asked of a server."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import urlsplit

from testwright.engines.openhands.spending import Prices
from testwright.settings import ModelSettings

OPENAI_URL = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True)
class Preset:
    """Defaults for one service; models are in order of preference.

    Prices are in none of them: they change, and a wrong one would make a wrong limit.
    """

    base_url: str
    models: tuple[str, ...] = ()


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "openai": Preset(OPENAI_URL, ("gpt-5.5", "gpt-4.1-mini")),
        "anthropic": Preset("https://api.anthropic.com/v1", ("claude-opus-4-6", "claude-sonnet-4-5")),
        "openrouter": Preset("https://openrouter.ai/api/v1", ("anthropic/claude-sonnet-4.5", "openai/gpt-4.1-mini")),
        "ollama": Preset("http://127.0.0.1:11434/v1"),
    }
)


@dataclass(frozen=True, slots=True)
class Choice:
    """What an attempt uses: ``models`` are in order of preference, prices ``None`` where they are not known."""

    base_url: str
    models: tuple[str, ...]
    prices: Prices | None
    max_cost_usd: float | None
    max_iterations: int


@dataclass(frozen=True, slots=True)
class Missing:
    """What stands in the way, and the one command that mends it."""

    what: str
    remedy: str


def choose(said: ModelSettings, *, has_key: bool) -> Choice | Missing:
    """Return what to use, or the first thing that is missing; a replay needs neither server nor key."""
    preset = PRESETS.get(said.preset or "", Preset(OPENAI_URL))
    if said.preset and said.preset not in PRESETS:
        known = ", ".join(PRESETS)
        return Missing(f"there is no preset {said.preset!r}", f"export TESTWRIGHT_LLM_PRESET=NAME, one of {known}")
    models = _models(said, preset)
    if not models:
        return Missing("no model is named", "export TESTWRIGHT_LLM_MODEL=NAME, or TESTWRIGHT_LLM_PRESET=openai")
    base_url = said.base_url or preset.base_url
    if urlsplit(base_url).scheme not in {"http", "https"}:
        return Missing(f"{base_url!r} is no address", "export TESTWRIGHT_LLM_BASE_URL=https://HOST/v1")
    if not has_key and not said.replay:
        return Missing(
            f"no key for {base_url}", "export TESTWRIGHT_LLM_API_KEY=KEY (a server without keys takes any word)"
        )
    return _choice(said, base_url, models)


def _models(said: ModelSettings, preset: Preset) -> tuple[str, ...]:
    """Return the named model before the named fallbacks; a preset's fallbacks go with its own model only."""
    if said.model is None:
        return preset.models[:1] + (preset.models[1:] if said.fallback_models is None else said.fallback_models)
    return tuple(dict.fromkeys((said.model, *(said.fallback_models or ()))))


def _choice(said: ModelSettings, base_url: str, models: tuple[str, ...]) -> Choice | Missing:
    prices = None
    if said.input_price_usd is not None and said.output_price_usd is not None:
        prices = Prices(said.input_price_usd, said.output_price_usd)
    if said.max_cost_usd is not None and prices is None:
        return Missing(
            "a cost limit needs to know prices",
            "export TESTWRIGHT_LLM_INPUT_PRICE=USD TESTWRIGHT_LLM_OUTPUT_PRICE=USD (of a million tokens)",
        )
    return Choice(base_url, models, prices, said.max_cost_usd, max(1, said.max_iterations))
