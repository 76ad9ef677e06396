"""`python -m zmig` is the `zmig` command."""

from __future__ import annotations

import sys

from zmig.cli.main import program

if __name__ == "__main__":
    sys.exit(program())
