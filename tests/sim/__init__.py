"""The node under a seeded simulator: virtual time, network and disk below it, the real state machines above.

    plan        a seed becomes a schedule: validators, faulty ones, faults, when all is over
    faults      what goes wrong by itself          attackers/  who means it, one file each
    loop        asyncio on virtual time            timeline    the same for plain callbacks
    network     which copies of a message arrive   disk        what a power cut leaves of the logs
    replica     consensus-only: machine, vote log, block log over toy blocks    consensus_only   its schedules
    node        whole-node: shards, sync, gossip, the native engine             whole_node       its schedules
    invariants  what must hold, told of everything that nodes say and commit    ledger           … of a chain's state
    run         many schedules                     trace       a schedule's fingerprint

`python -m tests.sim --seed N` plays a schedule again, exactly.
"""
