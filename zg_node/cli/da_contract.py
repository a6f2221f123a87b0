"""The contract of data availability of a running network, as the commands of holders and payers ask and call it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from zg_node.cli.client import RpcClient
from zg_node.cli.contract import Contract
from zg_node.contracts import da
from zg_node.contracts.abi import interface
from zg_node.contracts.da import DATA_AVAILABILITY, BlobInfo, DataConfig, HolderInfo
from zg_node.da.certificate import Blob
from zg_node.errors import InvalidRequest, Unavailable
from zg_node.keys import checksum
from zg_node.rpc.errors import HISTORY_PRUNED

PAGE = 100
"""Certificates asked for at once."""
LOGS_BLOCKS = 10_000
"""Blocks whose events are asked for at once; fewer where the node allows fewer."""

SENTENCES = {
    "HolderExists": "this key is a holder already: see `zg-node da holder`",
    "UnknownHolder": "there is no such holder: see `zg-node da register`",
    "NotOwner": "only the holder's owner may do that: send from the account that registered it",
    "BadProof": "the key's consent was made for another account or network",
    "BadPeer": "a peer id is at most 128 printable characters",
    "TooLittleStake": "{0:coins} coins are too few: at least {1:coins} are needed",
    "HoldersFull": "the list of holders is full, and the weakest of them has more stake",
    "IsLeaving": "the holder is leaving: its deposit may be withdrawn from epoch {0} on",
    "NotLeaving": "the holder has to leave first: see `zg-node da exit`",
    "ChallengesOpen": "{0} challenges of the holder are open: they are answered or settled first",
    "NothingToPay": "there is nothing to pay out",
    "TooEarly": "a challenge of one of these blobs is not settled yet",
}
"""What the contract's errors mean to a person; the values come in the error's order."""


@dataclass(frozen=True, slots=True)
class HoldersClient:
    """A node of the network, asked about the holders of data."""

    node: RpcClient

    @property
    def contract(self) -> Contract:
        return Contract(self.node, DATA_AVAILABILITY, "DataAvailability", "contract of data availability", SENTENCES)

    def config(self) -> DataConfig:
        return da.decode_config(self.contract.call("config"))

    def epoch(self) -> int:
        """The epoch of the next root block."""
        (epoch,) = self.contract.read("epoch")
        return int(epoch)

    def info(self, signer: bytes) -> HolderInfo:
        """Raises InvalidRequest when nobody registered it."""
        return da.decode_holder_info(self.contract.call("holderInfo", signer))

    def signers(self, epoch: int) -> tuple[bytes, ...]:
        """Who holds in an epoch up to the next, in the order of the set."""
        return tuple(signer for signer, _, _ in da.decode_holders(self.contract.call("holders", epoch)))

    def certified(self) -> Iterator[BlobInfo]:
        """Every certified blob, in the order of certification."""
        first = 0
        while True:
            page = da.decode_certificates(self.contract.call("certificatesFrom", first, PAGE))
            yield from page
            if len(page) < PAGE:
                return
            first += PAGE

    def blob(self, blob_id: bytes) -> BlobInfo:
        """A blob, requested or not."""
        return da.decode_blob_info(self.contract.call("blobInfo", blob_id))

    def requested(self, commitment: bytes) -> tuple[bytes, ...]:
        """The ids under which a blob was requested, as far back as the node has blocks. Raises Unavailable."""
        found: dict[bytes, None] = {}
        last, span = self.node.quantity("eth_blockNumber"), LOGS_BLOCKS
        while last >= 0:
            first = max(0, last + 1 - span)
            try:
                found |= dict.fromkeys(self._requested_in(commitment, first, last))
            except InvalidRequest as error:  # more blocks than the node allows, or from before its first one
                if span > 1:
                    span //= 2
                    continue
                if error.code != HISTORY_PRUNED:
                    raise
                break
            last = first - 1
        return tuple(found)

    def _requested_in(self, commitment: bytes, first: int, last: int) -> list[bytes]:
        """Of the blocks `first` to `last`."""
        requested = next(event for event in interface("DataAvailability").events.values() if event.name == "Requested")
        logs = self.node.call(
            "eth_getLogs",
            {
                "address": checksum(DATA_AVAILABILITY),
                "topics": ["0x" + requested.topic.hex(), None, "0x" + commitment.hex()],
                "fromBlock": hex(first),
                "toBlock": hex(last),
            },
        )
        try:
            return [bytes.fromhex(str(log["topics"][1]).removeprefix("0x")) for log in logs]
        except (IndexError, KeyError, TypeError, ValueError) as error:
            raise Unavailable(f"{self.node.url} answered eth_getLogs with something else") from error


def first_epoch(block: int, epoch_blocks: int) -> int:
    """The first epoch whose set has a holder that registered in `block`."""
    return (block - 1) // epoch_blocks + 2


def status(info: HolderInfo, epoch: int, members: Iterable[bytes], coming: Iterable[bytes]) -> str:
    """A few words for where a holder stands in `epoch`; `members` hold in it, `coming` in the next one."""
    if info.released_in and info.stake == 0:
        return "withdrawn"
    if info.released_in:
        return "leaving" if epoch < info.released_in else "may withdraw"
    if info.signer in members:
        return "holding"
    if info.signer in coming:
        return "next epoch"
    return "waiting" if info.listed else "off the list"


def claimable(
    blobs: Iterable[BlobInfo], signer: bytes, epoch: int, signers: Callable[[int], tuple[bytes, ...]]
) -> Iterator[Blob]:
    """The blobs past their expiry whose fee `signer` has a part of and has not claimed; `signers` is the set of an
    epoch."""
    sets: dict[int, tuple[bytes, ...]] = {}
    for info in blobs:
        if info.expiry >= epoch:
            continue
        if info.epoch not in sets:
            sets[info.epoch] = signers(info.epoch)
        members = sets[info.epoch]
        index = members.index(signer) if signer in members else None
        if index in info.signers and index not in info.settled:
            yield Blob(info.commitment, info.length, info.quorum, info.epoch, info.expiry)
