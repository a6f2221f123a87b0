"""Four validators as real processes in network namespaces: what no fault may do to them.

namespaces ── a network of its own for every node, and a router that drops what it is told to
cluster ───── the nodes: started, killed, cut off, asked over JSON-RPC
load ──────── transfers in the background, and what was acknowledged
settled ───── after a fault: one chain, nothing lost, nobody framed, finality again
"""
