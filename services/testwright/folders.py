"""The only place that says whether a folder can be written to, before anything is put there."""

import os
from pathlib import Path


def obstacle(folder: Path) -> Path | None:
    """Return what keeps this user from writing to a folder, there or yet to be made; ``None`` if nothing does.

    That is the folder itself, or what is nearest to it on the way up.
    """
    nearest = next((place for place in (folder, *folder.parents) if os.path.lexists(place)), folder)
    # With the dot at its end only a folder is accessible; pathlib would take it away.
    return None if os.access(f"{nearest}/.", os.W_OK | os.X_OK) else nearest
