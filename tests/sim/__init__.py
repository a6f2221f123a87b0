"""The node under a seeded simulator: virtual time, network and disk below it, the real state machines above.

    plan        a seed becomes a schedule: validators, faulty ones, faults, when all is over
    stake       … and what moves stake, who joins   stakeholders  the people who do it
    faults      what goes wrong by itself           attackers/  who means it in consensus, one file each
    liars/      who lies to nodes that catch up, one file each
    loop        asyncio on virtual time             timeline    the same for plain callbacks
    network     which copies of a message arrive    disk        what a power cut leaves of the logs
    replica     consensus-only: machine, vote log, block log over toy blocks     consensus_only   its schedules
    node        whole-node: process (shards, sync, gossip, engine), tap, newcomer   whole_node    its schedules
    invariants  what must hold, told of everything that nodes say and commit     ledger           … of a chain's state
    run         many schedules                      trace       a schedule's fingerprint

`python -m tests.sim --seed N` plays a schedule again, exactly.

Nothing is promised where a third of an epoch's stake is faulty. The plan sees to it that moves of stake never lead
there; jail may, when honest validators are cut off, and then the schedule ends (`Outcome.overrun`). Clocks go wrong on
one node only, and every one is right again when the faults are over.
"""
