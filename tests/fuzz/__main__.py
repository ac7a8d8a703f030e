"""Fuzz one target, guided by the coverage of our own code: ``just fuzz TARGET [SECONDS]``.

Exits with 1 at the first input that the target neither takes nor refuses as it should, and leaves it in ``crash-…``.
"""

import logging
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

# Installed for this alone, and without types.
atheris: Any = import_module("atheris")

with atheris.instrument_imports(include=["testwright", "testwright_schemas"]):
    from tests.fuzz.seeds import poisoned, seeds
    from tests.fuzz.targets import TARGETS


def main(name: str = "", seconds: str = "60") -> None:
    """Run one target until it fails or the time is over."""
    if name not in TARGETS:
        sys.exit(f"usage: just fuzz TARGET [SECONDS]; targets: {', '.join(TARGETS)}")
    logging.disable()
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(each for good in seeds(name) for each in (good, *poisoned(good))):
            Path(corpus, str(number)).write_bytes(seed)
        atheris.Setup([sys.argv[0], f"-max_total_time={seconds}", "-timeout=10", corpus], TARGETS[name])
        atheris.Fuzz()


main(*sys.argv[1:])
