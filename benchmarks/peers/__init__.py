"""The same trivial job on several job systems: one file a system, each run in an interpreter that has what it needs.

A file here is not imported by the benchmarks but started as a program, ``python -m benchmarks.peers.NAME FOLDER``: it
starts its private servers and one worker process, and then does what ``protocol`` asks of it on its standard input.
"""
