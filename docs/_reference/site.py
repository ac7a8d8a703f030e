"""A hook of MkDocs: what pages say of files outside of the documentation."""

import logging
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]

_LINK = re.compile(r"\[([^\]]+)\]\((\.\./[^)#\s]+)(?:#[^)\s]*)?\)")
_log = logging.getLogger("mkdocs.plugins")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Return a page whose links to files of the repository are names of these files; a missing one is warned about."""
    folder = (ROOT / "docs" / page.file.src_uri).parent

    def name(link: re.Match[str]) -> str:
        target = (folder / link[2]).resolve()
        if target.is_relative_to(ROOT / "docs"):
            return link[0]
        if not target.exists():
            _log.warning("%s links to %s, which does not exist", page.file.src_uri, link[2])
        inside = target.relative_to(ROOT).as_posix()
        return f"`{inside}`" if link[1].strip("`") == inside else f"{link[1]} (`{inside}`)"

    return _LINK.sub(name, markdown)
