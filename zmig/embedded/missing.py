"""What the private server's binaries lack, reported when a migration asks for it.

Wheels are built without OpenSSL, ICU and the UUID library, so `pgcrypto`, `uuid-ossp` and TLS are not in them.
"""

from __future__ import annotations

import re

_EXTENSION = re.compile(
    r'extension "(?P<name>[^"]+)" is not available'
    r'|could not open extension control file "[^"]*/(?P<file>[^/"]+)\.control"'
)
_FEATURE = re.compile(r"(?P<feature>SSL|ICU) is not supported|unsupported (?P<xml>XML) feature")
_BUILT_IN = {
    "pgcrypto": "gen_random_uuid() and sha256(), which need no extension",
    "uuid-ossp": "gen_random_uuid(), which needs no extension",
}


def explain_missing(sqlstate: str | None, message: str) -> str | None:
    """Return a hint for an error of the private server that comes from what its binaries lack; None for any other.

    `message` is the server's own, in English, as a private server always speaks.
    """
    if sqlstate not in ("0A000", "22023", "58P01"):
        return None
    extension = _EXTENSION.search(message)
    if extension:
        name = extension["name"] or extension["file"]
        built_in, elsewhere = _BUILT_IN.get(name), _elsewhere(f"has `{name}`")
        return f"use {built_in}, or {elsewhere}" if built_in else elsewhere
    feature = _FEATURE.search(message)
    return _elsewhere(f"is built with {feature['feature'] or feature['xml']}") if feature else None


def _elsewhere(what: str) -> str:
    return f"name a server that {what} in the manifest's `database.url`: the private PostgreSQL lacks it"
