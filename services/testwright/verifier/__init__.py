"""Verifier: judges a candidate apart from the engine that made it, and publishes a verdict for each test."""
