"""The process of one page of `zmig tui --web`: the console, with its arguments in the environment."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from zmig.presentation.hints import CommandLine
from zmig_tui.app import run
from zmig_tui.target import Target
from zmig_tui.web.serve import TARGET


def main() -> int:
    """Show the console; its arguments do not stay in the environment of what it starts."""
    targets = json.loads(os.environ.pop(TARGET))
    return run(
        [
            Target(
                Path(target["manifest"]),
                target["database_url"],
                CommandLine(target["named"], target["database_url"]),
                os.environ,
                is_read_only=target["is_read_only"],
            )
            for target in targets
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
