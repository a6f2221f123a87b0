"""One hot operation a file. Each starts a node of its own, prints what it ran on, and medians with their spread.

    python -m benchmarks.suite            TPS of every workload beside anvil: batches, single requests, new receivers
    python -m benchmarks.shard_scaling    one shard against two, capped and uncapped
    python -m benchmarks.idle_latency     one transfer at a time on an idle chain
    python -m benchmarks.eth_call         requests a second over 64 connections
    python -m benchmarks.eth_get_balance  the same
    python -m benchmarks.eth_get_logs     a rare address in 10,000 blocks of 100 logs
    python -m benchmarks.start            start to first block, memory of an empty node
    python -m benchmarks.large_state      memory and TPS over millions of accounts
    python -m benchmarks.network          four validators on this machine: finality, bursts, faults, TPS
    python -m benchmarks.p2p              libp2p hosts: echo, connect, streams, gossip
    python -m benchmarks.consensus_step   the consensus machine alone
    python -m benchmarks.sync             catching up, and joining by a snapshot
    python -m benchmarks.soak             half load for minutes, growth of memory

`--help` on each lists its options. docs/benchmarks.md says how figures are counted.
"""
