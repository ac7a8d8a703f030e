"""testwright: verified tests for Python modules, written in the background."""

__version__ = "0.1.0"
