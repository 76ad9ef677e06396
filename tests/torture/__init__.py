"""Kills runs, backends and servers at random moments, and counts what is lost and what is done twice.

`python -m tests.torture --rounds 500 --seed 1` prints the figures; the test in this folder is a short run.
"""
