"""Loads libp2p once, where its own warnings are let pass: it imports what `websockets` deprecates. Runs of trio have a
reactor."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import libp2p  # noqa: F401

from zg_node.p2p.reactor import install

install()
