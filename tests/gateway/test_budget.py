"""Memory that clients share."""

from zg_node.gateway.budget import Budget


def test_what_does_not_fit_is_not_taken() -> None:
    budget = Budget(10)
    assert budget.take(7)
    assert not budget.take(4)
    assert budget.held_bytes == 7
    budget.give(7)
    assert budget.take(10)
