"""What a retrieval asks of whom, without a network."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zg_node.da.reading import IN_FLIGHT_PEER_MAX, REFUSALS_MAX, Plan


def drain(plan: Plan) -> list[tuple[int, str, tuple[int, ...]]]:
    """All questions that are due now."""
    questions = []
    while (question := plan.next()) is not None:
        questions.append(question)
    return questions


def test_data_rows_are_asked_for_before_parity_rows() -> None:
    plan = Plan.of(4, 4, 2, {"data": range(4), "parity": range(4, 16)})
    assert [(peer, rows) for _, peer, rows in drain(plan)] == [("data", (0, 1)), ("data", (2, 3))]


def test_a_row_is_asked_of_one_peer_at_a_time() -> None:
    plan = Plan.of(4, 4, 4, {"one": range(4), "two": range(4)})
    (question,) = drain(plan)
    assert question[2] == (0, 1, 2, 3)


def test_parity_rows_take_the_place_of_data_rows_that_nobody_has() -> None:
    plan = Plan.of(4, 4, 8, {"some": (0, 1), "parity": range(4, 16)})
    assert [(peer, rows) for _, peer, rows in drain(plan)] == [("some", (0, 1)), ("parity", (4, 5))]


def test_who_fails_is_asked_no_more_and_another_has_the_row() -> None:
    plan = Plan.of(2, 2, 2, {"one": (0, 1), "two": (0, 1)})
    ((request, first, _),) = drain(plan)
    plan.failed(request)
    ((request, second, rows),) = drain(plan)
    assert {first, second} == {"one", "two"}
    plan.answered(request, rows)
    assert plan.missing == 0
    assert drain(plan) == []


def test_who_refuses_is_still_asked_for_other_rows_but_not_for_ever() -> None:
    plan = Plan.of(REFUSALS_MAX + 8, 1000, 1, {"one": range(REFUSALS_MAX + 8)})
    asked = 0
    while questions := drain(plan):
        for request, _, _ in questions:
            plan.refused(request)
            asked += 1
    assert REFUSALS_MAX <= asked < REFUSALS_MAX + IN_FLIGHT_PEER_MAX


def test_a_slow_request_is_hedged_and_still_counts_when_it_comes() -> None:
    plan = Plan.of(2, 2, 2, {"slow": (0, 1), "parity": (2, 3)})
    ((slow, _, rows),) = drain(plan)
    assert drain(plan) == []
    plan.overdue(slow)
    ((_, peer, _),) = drain(plan)
    assert peer == "parity"
    plan.answered(slow, rows)
    assert plan.missing == 0


def test_a_slow_holder_does_not_keep_its_other_rows_from_being_replaced() -> None:
    plan = Plan.of(6, 6, 1, {"slow": range(6), "parity": range(6, 12)})
    asked = drain(plan)
    assert len(asked) == IN_FLIGHT_PEER_MAX
    for request, _, _ in asked:
        plan.overdue(request)
    assert {peer for _, peer, _ in drain(plan)} == {"parity"}


def test_a_peer_that_lacks_rows_is_not_asked_for_them_again() -> None:
    plan = Plan.of(4, 4, 4, {"one": range(4)})
    ((request, _, rows),) = drain(plan)
    plan.answered(request, rows[:3])
    assert drain(plan) == []
    assert plan.missing == 1


@given(
    st.integers(1, 12),
    st.integers(1, 5),
    st.dictionaries(st.sampled_from("abcde"), st.sets(st.integers(0, 31), max_size=16), max_size=5),
    st.data(),
)
def test_whatever_happens_the_plan_ends_with_enough_rows_or_having_asked_everyone(
    needed: int, batch: int, kept: dict[str, set[int]], data: st.DataObject
) -> None:
    plan = Plan.of(needed, 8, batch, kept)
    honest = data.draw(st.sets(st.sampled_from("abcde")))
    open_requests: list[tuple[int, str, tuple[int, ...]]] = []
    for _ in range(1_000):
        open_requests += drain(plan)
        if not open_requests:
            break
        chosen = open_requests[data.draw(st.integers(0, len(open_requests) - 1))]
        if data.draw(st.booleans()):
            plan.overdue(chosen[0])
            open_requests += drain(plan)
        open_requests.remove(chosen)
        request, peer, rows = chosen
        assert set(rows) <= kept[peer]
        assert len(rows) <= batch
        if peer in honest:
            plan.answered(request, rows)
        else:
            plan.failed(request)
    assert not open_requests
    reachable = set().union(*(rows for peer, rows in kept.items() if peer in honest))
    assert plan.missing == max(0, needed - len(plan.have))
    assert plan.have <= reachable
    if len(reachable) >= needed:
        assert plan.missing == 0
    else:
        assert plan.have == reachable
