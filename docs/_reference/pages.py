"""The only place that says which pages of the reference are generated, and from what."""

from collections.abc import Callable
from pathlib import Path

from docs._reference.commands import commands
from docs._reference.failures import failures
from docs._reference.figures import metrics
from docs._reference.messages import messages
from docs._reference.variables import variables

FOLDER = Path(__file__).parents[1] / "reference"

PAGES: dict[str, Callable[[], str]] = {
    "commands.md": commands,
    "errors.md": failures,
    "events.md": messages,
    "metrics.md": metrics,
    "settings.md": variables,
}


def write() -> None:
    """Write every page."""
    FOLDER.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")
