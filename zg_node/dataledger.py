"""The root chain, as data availability asks for it: `da.ledger.Ledger` over the chain and its contract.

Reads are of this node's own final head. Holders and beacons are remembered for a moment, because every put, get and
offer asks for them; certificates are read once, in their order, and forgotten with their expiry.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from zg_node.contracts import da
from zg_node.contracts.da import DATA_AVAILABILITY, BlobInfo, DataConfig
from zg_node.da.certificate import Blob, Certificate
from zg_node.da.holders import Holder, HolderSet
from zg_node.da.ledger import Certified
from zg_node.errors import InvalidConfig, InvalidRequest, Reverted, Unavailable, ZgError
from zg_node.execution.genesis import Genesis
from zg_node.execution.service import Chain
from zg_node.rootaccount import Call, RootAccount

log = logging.getLogger("zg.node")

REQUEST_GAS = 500_000
REFUND_GAS = 200_000
SET_PEER_GAS = 300_000
CERTIFY_GAS = 300_000
CERTIFY_SIGNATURE_GAS = 12_000
"""For each signature."""
HOLDERS_TTL_S = 1.0
"""A peer id may change at any time; sets do not."""
EPOCHS_KEPT = 64
PAGE = 100
"""Certificates read at once."""
ANNOUNCE_S = 15.0
"""Between two looks at whether the contract knows where we are reached."""


class ChainLedger:
    """`Ledger` of a running node."""

    def __init__(
        self, root: Chain, genesis: Genesis, account: RootAccount, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._root = root
        self._genesis = genesis
        self._account = account
        self._now_s = now_s
        self._sets: dict[int, tuple[float, HolderSet]] = {}
        self._beacons: dict[int, bytes] = {}
        self._rules: DataConfig | None = None
        self._certified: list[Certified] = []
        self._read = 0
        """Certificates read so far, those that have expired included."""
        self._reading = asyncio.Lock()

    @property
    def network(self) -> bytes:
        """32 bytes: the hash of the genesis' parameters."""
        return self._genesis.network

    def epoch(self) -> int:
        """The epoch of the next root block."""
        return self._root.head.number // self._genesis.epoch_blocks

    async def rules(self) -> DataConfig:
        """The contract's rules. Raises Unavailable on a network without data availability."""
        if self._rules is None:
            self._rules = da.decode_config(await self._ask(da.function("config").encode()))
        return self._rules

    async def holders(self, epoch: int) -> HolderSet:
        """Who serves in `epoch`. Raises Unavailable: not fixed yet, or nobody."""
        kept = self._sets.get(epoch)
        if kept is not None and self._now_s() - kept[0] < HOLDERS_TTL_S:
            return kept[1]
        members = da.decode_holders(await self._ask(da.holders_call(epoch)))
        if not members:
            raise Unavailable(f"epoch {epoch} has no holders yet")
        found = HolderSet(tuple(Holder(*member) for member in members))
        self._sets[epoch] = self._now_s(), found
        while len(self._sets) > EPOCHS_KEPT:
            del self._sets[min(self._sets)]
        return found

    async def beacon(self, epoch: int) -> bytes:
        """32 bytes that turn the rows in `epoch`. Raises Unavailable before the epoch has begun."""
        beacon = self._beacons.get(epoch)
        if beacon is None:
            beacon = da.decode_beacon(await self._ask(da.beacon_call(epoch)))
            if beacon is None:
                raise Unavailable(f"epoch {epoch} has not begun")
            self._beacons[epoch] = beacon
            while len(self._beacons) > EPOCHS_KEPT:
                del self._beacons[min(self._beacons)]
        return beacon

    async def paid(self, blob: Blob) -> bool:
        """Whether a request for exactly this blob is paid, and neither refunded nor too old to be certified."""
        info = await self._info(blob)
        return info.requested_in > 0 and (info.certified_in > 0 or not await self._too_old(info))

    async def certified(self, commitment: bytes) -> Certified | None:
        """The certificate of a commitment that lasts longest; None when there is none."""
        found = da.decode_certificate_of(await self._ask(da.certificate_of_call(commitment)))
        return None if found is None else _certified(found[1])

    async def certificate(self, blob: Blob) -> Certified | None:
        """The certificate of exactly this blob; None when there is none."""
        info = await self._info(blob)
        return _certified(info) if info.certified_in else None

    async def live(self, first: int, count: int) -> Sequence[Certified]:
        """Certified blobs that are not past their expiry, in the order of certification."""
        async with self._reading:
            while True:
                page = da.decode_certificates(await self._ask(da.certificates_from_call(self._read, PAGE)))
                self._read += len(page)
                self._certified += map(_certified, page)
                if len(page) < PAGE:
                    break
            epoch = self.epoch()
            self._certified = [entry for entry in self._certified if entry.blob.expiry >= epoch]
        return self._certified[first : first + count]

    async def fee(self, blob: Blob) -> int:
        """Wei that the blob costs. Raises Unavailable."""
        return (await self.rules()).fee(blob.length, blob.expiry - blob.epoch + 1)

    async def pay(self, blob: Blob) -> None:
        """Request the blob; returns once the payment is final. Raises Unavailable, InvalidRequest."""
        epochs, life_epochs = blob.expiry - blob.epoch + 1, (await self.rules()).life_epochs
        if epochs > life_epochs:
            raise InvalidRequest(f"{epochs} epochs: blobs are kept for at most {life_epochs} on this network")
        info = await self._info(blob)
        if info.requested_in and not info.certified_in and await self._too_old(info):
            await self._send(da.refund(blob.id(self.network)), REFUND_GAS)
        await self._send(da.request(blob), REQUEST_GAS, await self.fee(blob))

    async def certify(self, certificate: Certificate) -> None:
        """Bring the certificate to the chain; returns once it is final. Raises Unavailable, InvalidRequest."""
        blob_id = certificate.blob.id(self.network)
        gas = CERTIFY_GAS + CERTIFY_SIGNATURE_GAS * len(certificate.signatures)
        try:
            await self._send(da.certify(blob_id, certificate.signatures), gas)
        except Reverted:
            # Anyone may bring a certificate, and somebody was quicker.
            if not (await self._info(certificate.blob)).certified_in:
                raise

    async def announce(self, peer: str) -> None:
        """Keep the contract told where this node, if it is a holder, is reached; until cancelled."""
        while True:
            try:
                await self._announce(peer)
            except ZgError as error:
                log.warning("data availability: our peer id is not in the contract: %s", error)
            await asyncio.sleep(ANNOUNCE_S)

    async def _announce(self, peer: str) -> None:
        signer = self._account.address
        if signer is None:
            return
        epoch = self.epoch()
        for later in (epoch, epoch + 1):
            try:
                holders = await self.holders(later)
            except Unavailable:
                continue
            index = holders.index_of(signer)
            if index is not None and holders.holders[index].peer != peer:
                await self._send(da.set_peer(signer, peer), SET_PEER_GAS)
                self._sets.clear()
                return

    async def _info(self, blob: Blob) -> BlobInfo:
        return da.decode_blob_info(await self._ask(da.blob_info_call(blob.id(self.network))))

    async def _too_old(self, info: BlobInfo) -> bool:
        """Whether the next block could not certify it."""
        return self._root.head.number + 1 > info.requested_in + (await self.rules()).request_blocks

    async def _ask(self, data: bytes) -> bytes:
        try:
            answer = await self._account.ask(DATA_AVAILABILITY, data)
        except (Reverted, InvalidConfig) as error:
            raise Unavailable(f"the contract of data availability does not answer: {error}") from error
        if not answer:
            raise Unavailable("this network's genesis has no data availability")
        return answer

    async def _send(self, data: bytes, gas: int, value: int = 0) -> None:
        try:
            await self._account.send(Call(DATA_AVAILABILITY, data, gas, value))
        except InvalidRequest as error:
            if isinstance(error, Reverted):
                raise
            raise Unavailable(f"the transaction was not taken: {error}") from error


def _certified(info: BlobInfo) -> Certified:
    blob = Blob(info.commitment, info.length, info.quorum, info.epoch, info.expiry)
    return Certified(blob, info.signers, info.certified_in)
