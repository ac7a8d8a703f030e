"""The OpenHands engine: an agent with a language model writes, runs and mends tests in the sandbox."""

from testwright.engines.openhands.engine import OpenHandsEngine

__all__ = ["OpenHandsEngine"]
