"""The system user, on whose behalf programs act.

date: 2026-11-23
"""

from psycopg.types.json import Jsonb

SYSTEM_USER = "system"


def execute(ctx):
    append(ctx, "user.registered", {"display_name": "System", "is_system": True})
    ctx.log.info("registered the user `%s`", SYSTEM_USER)


def rollback(ctx):
    append(ctx, "user.removed", {"reason": ctx.name})


def append(ctx, event_type, event_data):
    ctx.connection.execute("select append_event('user', %s, %s, %s)", [SYSTEM_USER, event_type, Jsonb(event_data)])
