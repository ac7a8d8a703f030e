"""Benchmarks: figures as ratios within one run. `just bench` prints a table and writes JSON."""
