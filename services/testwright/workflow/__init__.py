"""Workflow: stages that react to each other's events, driven by one process at a time."""
