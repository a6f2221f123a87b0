"""`python -m zg_node`, the same as `zg-node`."""

from zg_node.cli import main

main()
