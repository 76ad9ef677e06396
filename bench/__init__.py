"""Benchmarks: zmig beside psql, a bare psycopg loop and other migration tools, in one run on one server.

    python -m bench              # everything, several rounds; writes docs/performance.md
    python -m bench --quick      # a round of the small workloads, to the terminal only

The tools compared are installed into `.bench/` of this folder; PostgreSQL comes from zmig's own `embedded` extra.
Absolute seconds say little on a shared machine: read the ratios, which come from the same run.
"""
