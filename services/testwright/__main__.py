"""Runs the command line as ``python -m testwright``."""

from testwright.cli import main

if __name__ == "__main__":
    main()
