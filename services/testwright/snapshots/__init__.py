"""Snapshots: a project's files as one content-addressed archive, and the modules meant in it."""
