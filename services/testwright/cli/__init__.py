"""The command line: one file a noun, each loaded only when it is asked for."""

import sys


def main() -> None:
    """Run the command line of this process and exit with the code of the verb."""
    try:
        from testwright.cli.root import app  # noqa: PLC0415  loading it can be interrupted, too

        app()
    except KeyboardInterrupt:
        sys.exit(130)  # as in ``failing``, which may not be loaded yet
