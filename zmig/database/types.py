"""The types of psycopg's values, as zmig uses them."""

from __future__ import annotations

import psycopg

Row = tuple[object, ...]

Connection = psycopg.Connection[Row]
"""Any connection, also one that is not a run's."""
