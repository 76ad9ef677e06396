"""zmig: migrations for PostgreSQL, declared in a manifest, remembered as facts."""

from __future__ import annotations

__version__ = "0.1.0"
