"""Who lies to nodes that catch up, by name; one file each."""

from __future__ import annotations

from tests.sim.liars.endless import Endless
from tests.sim.liars.liar import Liar
from tests.sim.liars.other_shard import OtherShard
from tests.sim.liars.stale import Stale
from tests.sim.liars.truncated import Truncated
from tests.sim.liars.wrong import Wrong

LIARS: dict[str, type[Liar]] = {
    "endless answers": Endless,
    "answers of another shard": OtherShard,
    "stale answers": Stale,
    "truncated answers": Truncated,
    "wrong answers": Wrong,
}
