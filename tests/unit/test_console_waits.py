"""Who waits for whom, as values and as lines."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from zmig_tui.models.run import CurrentStep, Run
from zmig_tui.models.wait_tree import Part, is_anybody_waiting, wait_tree
from zmig_tui.pages import wait_tree as page

from tests.support import scenes
from zmig.database.lock_queue import LockQueue
from zmig.presentation.spans import plain

SEEN = scenes.blocked().observation()


def _run(lock_timeout: float | None) -> Run:
    return Run("apply", 0.0, current=CurrentStep("one", 1, 0.0, text="alter", lock_timeout_seconds=lock_timeout))


def test_the_tree_begins_with_who_blocks_and_ends_with_who_waits() -> None:
    tree = wait_tree(SEEN, _run(None))
    assert [(node.part, node.depth, node.pid) for node in tree.nodes] == [
        (Part.BLOCKER, 0, 4690),
        (Part.BLOCKER, 1, 4655),
        (Part.RUN, 0, 4711),
        (Part.WAITING, 0, 4801),
        (Part.WAITING, 0, 4802),
        (Part.WAITING, 1, 4803),
    ]
    assert tree.nodes[2].query == "alter", "the migration's statement, and none of zmig's own"
    assert plain(page.summary_line(tree, "Lock: virtualxid")) == (
        "‖ blocked by 2, holds up 3: web-app (2), vacuum  it waits for SHARE on the end of a transaction"
    )


def test_how_long_the_statement_still_waits_is_counted_by_the_servers_clock_and_only_while_it_is_known() -> None:
    assert wait_tree(SEEN, _run(200)).seconds_left == 8
    assert "blocked by 2 for 0:08 more" in plain(page.summary_line(wait_tree(SEEN, _run(200)), ""))
    assert "the run gives up in 0:08" in plain(page.title_lines(wait_tree(SEEN, _run(200)), "shop")[0])
    later = replace(SEEN, now=SEEN.now + timedelta(seconds=9))
    for seen, run in ((later, _run(200)), (SEEN, _run(None)), (SEEN, None), (replace(SEEN, queue=None), _run(200))):
        assert wait_tree(seen, run).seconds_left is None
    assert SEEN.work is not None
    goes_on = replace(SEEN.work, backend=replace(SEEN.work.backend, wait=None), blockers=())
    assert wait_tree(replace(SEEN, work=goes_on), _run(200)).seconds_left is None


def test_a_run_that_nobody_blocks_may_hold_up_others() -> None:
    assert SEEN.work is not None
    free = replace(SEEN, work=replace(SEEN.work, blockers=()))
    assert is_anybody_waiting(free)
    assert plain(page.summary_line(wait_tree(free, None), "")) == "‖ holds up 3: web-app (2), vacuum"
    nobody = replace(free, queue=LockQueue(4711))
    assert not is_anybody_waiting(nobody)
    assert not is_anybody_waiting(replace(nobody, work=None, queue=SEEN.queue))
    assert "nobody waits for a lock now" in plain(page.title_lines(wait_tree(nobody, None), "shop")[1])


def test_lines_belong_to_backends_and_are_cut_to_the_width() -> None:
    narrow, owners = page.page_lines(wait_tree(SEEN, None), SEEN.now, 80)
    assert [owner for owner in owners if owner is not None] == [0, 0, 0, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5]
    assert max(len(plain(one)) for one in narrow) <= 80
    assert plain(narrow[2]).split()[:4] == ["waits", "5:50", "for", "SHARE"]
    wide, owners = page.page_lines(wait_tree(SEEN, None), SEEN.now, 200)
    assert [owner for owner in owners if owner is not None] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    texts = [plain(one) for one in wide]
    assert " ".join(texts[1].split()) == (
        "4690 nightly report report active for 6 min 00 s waits 5:50 for SHARE on a row of orders "
        "holds ROW EXCLUSIVE on table orders"
    )
    assert texts[2].strip() == "update orders set exported = true where placed_at < now() - interval '1 day'"


def test_what_is_not_known_is_said_and_secrets_are_not() -> None:
    tree = wait_tree(SEEN, None)
    hidden, prepared = replace(tree.nodes[0], query=None), replace(tree.nodes[0], pid=0, backend=None)
    secret = replace(tree.nodes[0], query="alter role x\n  password 'hunter2'")
    texts = ["\n".join(map(plain, page.node_text(node, SEEN.now))) for node in (hidden, prepared, secret)]
    assert "hidden from this role" in texts[0]
    assert "a prepared transaction" in texts[1]
    assert "  password '***'" in texts[2]
    shown, _ = page.page_lines(replace(tree, nodes=(hidden, prepared, secret)), SEEN.now, 120)
    assert "hunter2" not in "\n".join(map(plain, shown))


def test_few_applications_are_named_and_the_others_counted() -> None:
    counts = (("web", 1200), ("", 30), ("psql", 2), ("etl", 1), ("x", 1))
    tree = replace(wait_tree(SEEN, None), blockers=0, waiting=1234, applications=counts)
    assert "holds up 1,234: web (1,200), no name (30), psql (2) and 2 more" in plain(page.summary_line(tree, ""))
