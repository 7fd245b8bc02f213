"""What is measured, and against what. `make bench` prints one table; README.md keeps the last one.

Everything runs on this machine's loopback. A figure that compares is taken in one run, both sides
interleaved, so that a busy machine disturbs them alike.
"""
