"""Proofs that are run by hand, because they need material or time that a test run has not."""
