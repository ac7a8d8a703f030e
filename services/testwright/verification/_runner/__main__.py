"""Start of a run: a script by path, so that none of its neighbours shadows a module of the project."""

import importlib
import importlib.util
import os
import sys
from pathlib import Path


def main() -> None:
    """Load this folder as a package under a private name and hand over; the plan comes on standard input."""
    here = Path(__file__).parent
    name = "_testwright_runner"
    spec = importlib.util.spec_from_file_location(name, here / "__init__.py", submodule_search_locations=[str(here)])
    if spec is None or spec.loader is None:
        raise SystemExit(f"cannot load {here}")
    package = importlib.util.module_from_spec(spec)
    sys.modules[name] = package
    spec.loader.exec_module(package)
    importlib.import_module(f"{name}.modes").main()
    sys.stderr.flush()
    # Threads that the code under test left behind must not hold the process.
    os._exit(0)


if __name__ == "__main__":
    main()
