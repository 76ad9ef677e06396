"""Who made an object, by what runs recorded and what the files of migrations say."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from zmig.catalog.attribution import By, Observed, Step, attribute
from zmig.catalog.objects import Kind

AT = datetime(2026, 3, 1, tzinfo=UTC)
FILES = {
    "041": "create table orders (id int primary key, total numeric);\n-- totals\ncreate index on orders (total);",
    "042": "create view totals as select total from orders;\ninsert into orders values (1);",
    "043": 'alter table orders add column "Note" text;\ncomment on column orders."Note" is \'totals of orders\';',
    "044": "do $$ begin execute 'create table ' || 'made_' || 'up (x int)'; perform 'parts'; end $$;",
    "045": "create function twice(a int) returns int language sql as '';\ngrant select on orders to public;",
}
STEPS = [Step(name, False, text) for name, text in FILES.items()]


def observed(
    *keys: tuple[Kind, str], by: By = By.RUN, steps: list[Step] | None = None, is_first: bool = False
) -> Observed:
    ran = STEPS if steps is None else steps
    return Observed(by=by, at=AT, run_id="r", changed=keys, steps=ran, is_first=is_first, reason="why")


@pytest.mark.parametrize(
    ("kind", "identity", "definition", "names"),
    [
        (Kind.TABLE, "public.orders", "", ("043",)),
        (Kind.VIEW, "public.totals", "", ("042",)),
        (Kind.COLUMN, 'public.orders."Note"', "", ("043",)),
        (Kind.COLUMN, "public.orders.total", "", ("041",)),
        (Kind.INDEX, "public.orders_total_idx", "CREATE INDEX orders_total_idx ON public.orders USING btree", ("041",)),
        (Kind.COMMENT, 'table column public.orders."Note"', "", ("043",)),
        (Kind.ROUTINE, "public.twice(a integer)", "", ("045",)),
        (Kind.PRIVILEGES, "table public.orders", "", ("045",)),
        (Kind.CONSTRAINT, "public.orders.orders_pkey", "", ("041", "043")),
        (Kind.TABLE, "public.made_up", "", tuple(FILES)),
    ],
)
def test_of_several_the_one_whose_statement_defines_it(
    kind: Kind, identity: str, definition: str, names: tuple[str, ...]
) -> None:
    found = attribute((kind, identity), [observed((kind, identity))], definition)
    assert (found.by, found.migrations) == (By.RUN, names)


MADE = (
    "create table app.orders (id int primary key, customer int, note text); comment on table app.orders is 'x';"
    "grant select on app.orders to r; create view app.totals as select 1;"
)


@pytest.mark.parametrize(
    ("kind", "identity", "later", "is_later"),
    [
        (Kind.OWNER, "table app.orders", "create index on orders (note)", False),
        (Kind.OWNER, "table app.orders", "alter table orders add paid bool", False),
        (Kind.OWNER, "table app.orders", "alter table orders owner to me", True),
        (Kind.OWNER, "view app.totals", "create or replace view totals as select 2", False),
        (Kind.COMMENT, "table app.orders", "alter table orders add paid bool", False),
        (Kind.COMMENT, "table app.orders", "comment on column orders.note is 'x'", False),
        (Kind.COMMENT, "table app.orders", "comment on table app.orders is 'y'", True),
        (Kind.PRIVILEGES, "table app.orders", "alter table orders add paid bool", False),
        (Kind.PRIVILEGES, "table app.orders", "grant select (note) on orders to r", False),
        (Kind.PRIVILEGES, "table app.orders", "grant insert on app.orders to r", True),
        (Kind.PRIVILEGES, "column app.orders.note", "grant select (note) on app.orders to r", True),
        (Kind.COLUMN, "app.orders.customer", "alter table orders add foreign key (customer) references c", False),
        (Kind.COLUMN, "app.orders.customer", "alter table orders add constraint k check (customer > 0)", False),
        (
            Kind.COLUMN,
            "app.orders.customer",
            "alter table orders add check (id > 0), alter customer drop default",
            True,
        ),
        (Kind.COLUMN, "app.orders.customer", "alter table orders add constraint k primary key (customer)", True),
        (Kind.TABLE, "app.orders", "create table other.orders (id int)", False),
        (Kind.COLUMN, "app.orders.customer", "create table other.orders (customer int)", False),
        (Kind.VIEW, "app.totals", "create view other.totals as select 3", False),
        (Kind.VIEW, "app.totals", 'create or replace view "app".totals as select 3', True),
    ],
)
def test_a_statement_about_something_else_changes_nothing_of_it(
    kind: Kind, identity: str, later: str, *, is_later: bool
) -> None:
    steps = [Step("1", False, MADE), Step("2", False, later)]
    found = attribute((kind, identity), [observed((kind, identity), steps=steps)])
    assert found.migrations == (("2",) if is_later else ("1",))


def test_the_last_fact_that_names_it_decides() -> None:
    key = (Kind.TABLE, "public.orders")
    first = observed(key, steps=[STEPS[0]])
    later = observed(key, steps=[STEPS[4]])
    assert attribute(key, [first, later]).migrations == ("045",)
    assert attribute(key, [first, observed()]).migrations == ("041",)
    assert attribute(key, [first, observed(key, by=By.OTHERS)]).by is By.OTHERS
    assert attribute(key, [first, observed(key, by=By.OPERATOR)]).sentence == (
        "last changed by others than zmig: recorded so at 2026-03-01 00:00 UTC: why"
    )


def test_what_no_file_names_may_be_older_than_the_first_fact() -> None:
    key = (Kind.TABLE, "public.older")
    assert attribute(key, [observed(key, is_first=True)]).sentence == "made before zmig recorded the schema"
    assert attribute(key, []).by is None
    known = (Kind.TABLE, "public.orders")
    assert attribute(known, [observed(known, is_first=True)]).migrations == ("043",)


def test_a_file_that_is_gone_may_have_made_anything() -> None:
    key = (Kind.TABLE, "public.other")
    steps = [Step("041", False, None), STEPS[1]]
    assert attribute(key, [observed(key, steps=steps)]).sentence == (
        "made or last changed by 041 at 2026-03-01 00:00 UTC"
    )


def test_a_rollback_and_code_are_named_too() -> None:
    key = (Kind.TABLE, "public.orders")
    steps = [Step("041", True, "drop table orders;"), Step("050", False, "ctx.connection", is_sql=False)]
    assert attribute(key, [observed(key, steps=steps)]).migrations == ("the rollback of 041",)
    assert attribute(key, [observed(key, steps=[steps[1]])]).migrations == ("050",)


def test_a_file_that_is_no_sql_ends_nothing() -> None:
    key = (Kind.TABLE, "public.orders")
    steps = [Step("041", False, "create table orders (x text default 'never ends"), STEPS[1]]
    assert attribute(key, [observed(key, steps=steps)]).migrations
