import pytest

from zg_node.p2p.bucket import Bucket


def test_a_full_bucket_gives_its_burst_at_once() -> None:
    bucket = Bucket.full(rate=10, burst=100, now_s=0)
    assert bucket.take(100, now_s=0) == 0


def test_a_debt_is_paid_at_the_rate() -> None:
    bucket = Bucket.full(rate=10, burst=100, now_s=0)
    assert bucket.take(150, now_s=0) == pytest.approx(5.0)
    assert bucket.take(0, now_s=5.0) == pytest.approx(0.0)
    assert bucket.take(10, now_s=5.0) == pytest.approx(1.0)


def test_tokens_do_not_grow_beyond_the_burst() -> None:
    bucket = Bucket.full(rate=10, burst=100, now_s=0)
    assert bucket.take(101, now_s=1_000_000) == pytest.approx(0.1)
