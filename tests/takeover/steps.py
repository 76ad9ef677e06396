"""The migrations of a trial, which each tool writes in its own form."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One migration."""

    number: int
    name: str
    up: str
    down: str
    transactional: bool = True
    """False for what no transaction can hold; only tools that can run such a thing get it."""

    @property
    def timestamp(self) -> str:
        """A number such as tools give that take the time."""
        return f"2024030{self.number}101500"


STEPS = (
    Step(
        1,
        "create_accounts",
        """-- accounts, and who may log in
create table accounts (
    id bigint generated always as identity primary key,
    email text not null unique,
    created_at timestamptz not null default now()
);
comment on table accounts is 'people; -- migrate:up is no mark here';
""",
        "drop table accounts;\n",
    ),
    Step(
        2,
        "add_normalization",
        """create function normalize_email() returns trigger language plpgsql as $body$
begin
    new.email := lower(new.email);
    return new;
end;
$body$;
create trigger accounts_normalize before insert or update on accounts
    for each row execute function normalize_email();
""",
        "drop trigger accounts_normalize on accounts;\ndrop function normalize_email();\n",
    ),
    Step(
        3,
        "create_orders",
        """create table orders (
    id bigint generated always as identity primary key,
    account_id bigint not null references accounts (id),
    state text not null default 'open' check (state in ('open', 'shutdown; down', 'paid'))
);
insert into accounts (email) values ('Ann@Example.org'), ('it''s@example.org');
insert into orders (account_id, state) select id, 'shutdown; down' from accounts;
""",
        "drop table orders;\ndelete from accounts;\n",
    ),
    Step(
        4,
        "add_totals",
        """alter table orders add column total_cents bigint not null default 0;
create view order_totals as
    select account_id, sum(total_cents) as total_cents from orders group by account_id;
""",
        "drop view order_totals;\nalter table orders drop column total_cents;\n",
    ),
    Step(
        5,
        "index_orders",
        "create index concurrently orders_account on orders (account_id);\n",
        "drop index concurrently orders_account;\n",
        transactional=False,
    ),
    Step(
        6,
        "add_kinds",
        """create type order_kind as enum ('retail', 'wholesale');
alter table orders add column kind order_kind not null default 'retail';
grant select on order_totals to public;
""",
        "revoke select on order_totals from public;\nalter table orders drop column kind;\ndrop type order_kind;\n",
    ),
)
APPLIED = 3
"""How many of them the other tool applies before zmig goes on."""
