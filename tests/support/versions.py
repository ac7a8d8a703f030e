"""Earlier versions of the product, taken from the history of this repository: the only place that looks into it."""

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]

PREVIOUS = {
    "before 0.1.0": "e256403",
}
"""What is upgraded from, by a name for it. A release puts its tag here; what nobody upgrades from any more goes."""

LAST = next(reversed(PREVIOUS))


def sources(commit: str, folder: Path) -> Path:
    """Return a folder with the sources of a version; skip the test where the history does not go back that far."""
    command = ["git", "-C", str(REPOSITORY), "archive", commit, "services", "schemas"]
    found = subprocess.run(command, check=False, capture_output=True)
    if found.returncode != 0:
        pytest.skip(f"there is no history back to {commit}: {found.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(found.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder
