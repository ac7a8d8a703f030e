"""Collector: decides what becomes of a task, and joins tasks into jobs."""
