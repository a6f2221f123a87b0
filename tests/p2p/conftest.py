"""Loads libp2p once, where its own warnings are let pass: it imports what `websockets` deprecates."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import libp2p  # noqa: F401
