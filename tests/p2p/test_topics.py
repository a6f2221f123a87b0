from zg_node.p2p.topics import allowed_topics, topic


def test_topics_are_pinned() -> None:
    assert topic("0123456789abcdef", 3, "tx") == "/zg/0123456789abcdef/3/tx/1"


def test_a_network_has_a_topic_a_shard_and_no_other_is_allowed() -> None:
    assert allowed_topics("0123456789abcdef", 2) == {"/zg/0123456789abcdef/0/tx/1", "/zg/0123456789abcdef/1/tx/1"}
