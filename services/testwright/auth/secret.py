"""The only place that writes secrets: each readable by its owner only, and never half written."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path


def write(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Write a file, in place of the one that was there."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)


def kept(path: Path, make: Callable[[], str]) -> str:
    """Return the secret in a file; make it where there is none."""
    try:
        return path.read_text("utf-8").strip()
    except FileNotFoundError:
        write(path, text := make())
        return text.strip()
