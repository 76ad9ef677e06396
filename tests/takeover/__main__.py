"""Runs the trials with the real other tools.

    python -m tests.takeover                     # all of them, installed first into a folder of their own
    python -m tests.takeover dbmate sqitch       # some of them

Packages come from npm and PyPI in the versions that this folder locks; sqitch, psql and Java have to be there.
Ends with 1 if a trial fails, or a tool is missing.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.support import database as databases
from tests.support.proxy import Proxy
from tests.takeover.tools import TOOLS, Installation, Tool, ToolFailed, Unavailable
from tests.takeover.trial import Trial, TrialFailed
from zmig.embedded import EmbeddedServer

_HERE = Path(__file__).parent
_CACHE = Path.home() / ".cache" / "zmig" / "takeover"
_SETTINGS = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


def installed(cache: Path) -> Installation:
    """Install what is locked here into a folder, unless it is there."""
    cache.mkdir(parents=True, exist_ok=True)
    if shutil.which("npm"):
        for name in ("package.json", "package-lock.json"):
            shutil.copy(_HERE / name, cache / name)
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=cache, check=True)
    venv = cache / "venv"
    if not (venv / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "-r", str(_HERE / "requirements.txt")], check=True)
    return Installation(cache, [venv / "bin"])


def carried_out(kind: type[Tool], installation: Installation, server: str, folder: Path) -> str | None:
    """Carry out the trial of one tool; return what is wrong, None if nothing is."""
    name = kind.name.replace("-", "_")
    urls = [databases.create(server, f"{name}{suffix}") for suffix in ("", "_whole")]
    try:
        with Proxy(urls[0]) as half, Proxy(urls[1]) as whole:
            tool = kind(installation)
            Trial(tool, folder / name, url=half.url, whole_url=whole.url, scratch_url=server).run()
    except (Unavailable, ToolFailed, TrialFailed) as error:
        return str(error)
    return None


def main() -> int:
    """Run them."""
    parser = argparse.ArgumentParser(prog="python -m tests.takeover")
    parser.add_argument("tools", nargs="*", metavar="TOOL", choices=[[], *(tool.name for tool in TOOLS)])
    parser.add_argument("--tools-in", type=Path, default=_CACHE, help="where they are installed")
    chosen = parser.parse_args()
    installation = installed(chosen.tools_in)
    folder = Path(tempfile.mkdtemp(prefix="zmig-takeover-"))
    folder.chmod(0o755)  # the server's account walks through it
    server = EmbeddedServer(folder / "server", settings=_SETTINGS)
    failed: list[str] = []
    try:
        url = server.start()
        for kind in TOOLS:
            if chosen.tools and kind.name not in chosen.tools:
                continue
            began = time.monotonic()
            wrong = carried_out(kind, installation, url, folder)
            sys.stdout.write(f"{kind.name}: {wrong or 'passed'} ({time.monotonic() - began:.1f} s)\n")
            sys.stdout.flush()
            failed += [] if wrong is None else [kind.name]
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    if failed:
        sys.stderr.write(f"failed: {', '.join(failed)}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
