"""Who keeps a blob's rows: the holders that signed, and as stake moves, those of later epochs.

The rotation is that of the blob's own epoch for as long as it lives, so that rows move only as far as stake has moved.
"""

from __future__ import annotations

from zg_node import _core
from zg_node.da.assignment import Assignment, assign
from zg_node.da.certificate import Blob
from zg_node.da.ledger import Ledger
from zg_node.errors import Unavailable


async def assignment_in(ledger: Ledger, blob: Blob, epoch: int) -> Assignment:
    """The blob's rows among the holders of `epoch`. Raises Unavailable when they are not known."""
    data_rows, parity_rows, _ = _core.erasure_shape(blob.length)
    holders, beacon = await ledger.holders(epoch), await ledger.beacon(blob.epoch)
    return assign(holders, blob, beacon, data_rows + parity_rows)


async def keepers(ledger: Ledger, blob: Blob) -> tuple[Assignment, ...]:
    """Who may have rows, the likeliest first: by the set of now, the one before, the one that signed. Raises
    Unavailable when none of them is known."""
    now = ledger.epoch()
    found: list[Assignment] = []
    reason = ""
    for epoch in dict.fromkeys((now, max(now - 1, blob.epoch), blob.epoch)):
        try:
            found.append(await assignment_in(ledger, blob, epoch))
        except Unavailable as error:
            reason = str(error)
    if not found:
        raise Unavailable(f"nobody is known to keep the blob: {reason}")
    return tuple(found)
