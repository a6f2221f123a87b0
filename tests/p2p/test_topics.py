from zg_node.p2p.topics import allowed_topics, topic


def test_topics_are_pinned() -> None:
    assert topic("0123456789abcdef", 3, "tx") == "/zg/0123456789abcdef/3/tx/1"


def test_a_network_has_three_topics_a_shard() -> None:
    topics = allowed_topics("0123456789abcdef", 2)
    assert len(topics) == 6
    assert topic("0123456789abcdef", 1, "evidence") in topics
    assert topic("0123456789abcdef", 2, "tx") not in topics
    assert topic("fedcba9876543210", 1, "tx") not in topics
