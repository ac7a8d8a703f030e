"""Submitter: checks commands and turns them into events, each exactly once."""
