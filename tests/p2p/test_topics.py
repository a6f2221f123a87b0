from zg_node.p2p.topics import DIRECT_PROTOCOL, allowed_topics, is_elsewhere, network_protocol, topic


def test_topics_are_pinned() -> None:
    assert topic("0123456789abcdef", 3, "tx") == "/zg/0123456789abcdef/3/tx/1"


def test_a_network_has_a_topic_a_shard_and_no_other_is_allowed() -> None:
    assert allowed_topics("0123456789abcdef", 2) == {"/zg/0123456789abcdef/0/tx/1", "/zg/0123456789abcdef/1/tx/1"}


def test_a_peer_is_elsewhere_when_it_names_networks_and_not_ours() -> None:
    ours, other = "0123456789abcdef", "fedcba9876543210"
    assert network_protocol(ours) == "/zg/network/0123456789abcdef"
    assert is_elsewhere([DIRECT_PROTOCOL, network_protocol(other)], ours)
    assert not is_elsewhere([DIRECT_PROTOCOL, network_protocol(ours)], ours)
    assert not is_elsewhere(["/ipfs/ping/1.0.0"], ours)
