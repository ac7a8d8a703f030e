"""The command line: one file a noun, each loaded only when it is asked for."""

from testwright.cli.root import app


def main() -> None:
    """Run the command line of this process and exit with the code of the verb."""
    app()
