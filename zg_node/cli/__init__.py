"""The command line; `zg-node --help` is its table of contents."""

from zg_node.cli.app import main

__all__ = ["main"]
