"""Who votes in which epoch: sets from the genesis file and the root shard's staking contract, instances from the sets.

epochs 0 and 1    the genesis set
epoch e + 2       fixed by the staking contract at the last block of epoch e of the root shard
long past         from the proofs that the root shard's block store keeps, one an epoch
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson
from coincurve import PrivateKey

from zg_node import _core
from zg_node.consensus.epoch import EpochFields, Epochs, RootPoint
from zg_node.consensus.instance import Instance, Restored, Timeouts
from zg_node.consensus.light import EpochProof
from zg_node.consensus.messages import Certificate, Domain
from zg_node.consensus.simplex import Simplex
from zg_node.consensus.votes import Signer, Validator, ValidatorSet, Verifier, address_of
from zg_node.contracts import da, staking
from zg_node.errors import Corrupt, Unavailable
from zg_node.execution.genesis import Genesis
from zg_node.execution.service import Chain, SystemCalls
from zg_node.execution.validation import Lineage
from zg_node.types.block import ConsensusHeader, StoredBlock
from zg_node.types.hashing import ZERO_HASH

log = logging.getLogger("zg.node")

CALL_GAS = 50_000_000
CALL_TIMEOUT_MS = 10_000


@dataclass(frozen=True, slots=True)
class Voter:
    """The key that this node votes with."""

    key: PrivateKey = field(repr=False)
    address: bytes

    @classmethod
    def of(cls, secret: bytes) -> Voter:
        key = PrivateKey(secret)
        return cls(key, address_of(key.public_key))


class ValidatorSets:
    """The sets that this node knows, and the root shard that they come from; answers from any thread."""

    def __init__(self, genesis: Genesis) -> None:
        first = ValidatorSet(tuple(Validator(address, stake) for address, stake in genesis.validators))
        self._epoch_blocks = genesis.epoch_blocks
        self._known = {0: first, 1: first}
        self._root: Chain | None = None
        self._chains: list[Chain] = []

    @property
    def root(self) -> Chain:
        """The root shard's chain."""
        assert self._root is not None, "the root shard is opened first"
        return self._root

    def follow(self, root: Chain) -> None:
        """Read from the root shard's chain, now and at each epoch's end."""
        self._root = root
        self.read()

    def newest(self) -> RootPoint:
        """The root shard's final head."""
        head = self.root.head
        return RootPoint(head.number, head.hash) if head.number else RootPoint(0, ZERO_HASH)

    def hash_at(self, number: int) -> bytes | None:
        """The hash of a final root block; None when it is not final here yet."""
        block = self.root.by_number(number)
        return block.hash if block is not None else None

    def learn_from(self, chain: Chain) -> None:
        """Take over what a shard's block store can prove: a shard that joined by a snapshot may be epochs ahead."""
        self._chains.append(chain)

    def of(self, epoch: int) -> ValidatorSet | None:
        """The set of an epoch; None while the root shard has not fixed it."""
        found = self._known.get(epoch)
        for chain in self._chains if found is None else ():
            kept = chain.blocks.epoch(epoch - 1)
            if kept is not None:
                found = self._known[epoch] = ValidatorSet(EpochProof.decode(kept).members)
                break
        return found

    def certain(self, epoch: int) -> ValidatorSet:
        """The set of an epoch. Raises Unavailable while it is not known."""
        members = self.of(epoch)
        if members is None:
            raise Unavailable(f"the validators of epoch {epoch} are not known here yet")
        return members

    def has_seen(self, address: bytes) -> bool:
        """Whether `address` votes in one of the sets that this node has come to know."""
        return any(members.index_of(address) is not None for members in tuple(self._known.values()))

    def read(self) -> None:
        """Take over what the staking contract says at the root shard's head."""
        epoch = self.root.head.number // self._epoch_blocks
        answers = self._ask([staking.validators_call(), staking.next_set_call()])
        for later, answer in enumerate(answers):
            if epoch + later not in self._known:
                members = tuple(Validator(*member) for member in staking.decode_set(answer))
                self._known[epoch + later] = ValidatorSet(members)

    def _ask(self, calls: Sequence[bytes]) -> list[bytes]:
        """The staking contract's answers at the root shard's head."""
        head, to = self.root.head, "0x" + staking.STAKING.hex()
        transactions = [orjson.dumps({"to": to, "input": "0x" + call.hex()}) for call in calls]
        requests = [_core.CallRequest(each, None, CALL_GAS, CALL_TIMEOUT_MS) for each in transactions]
        answers: list[bytes] = []
        for answer in self.root.engine.call(self.root.state, head.hash, head.header.raw, requests):
            if not isinstance(answer, bytes):
                raise Corrupt(f"the staking contract does not answer at block {head.number}: {answer.message}")
            answers.append(answer)
        return answers


class ShardEpochs:
    """What one shard's blocks say about epochs, and end with. Satisfies `execution.service.Epochs`."""

    def __init__(self, genesis: Genesis, chain: Chain, sets: ValidatorSets) -> None:
        self._rules = Epochs(chain.shard, genesis.epoch_blocks)
        self._chain = chain
        self._sets = sets
        sets.learn_from(chain)

    def lineage(self, number: int, parent: ConsensusHeader, child: ConsensusHeader | None) -> Lineage:
        """What the child of a block says; see `execution.service.Epochs`."""
        if child is None:
            fields = self._rules.expected(number, parent, self._sets.of, self._sets)
        else:
            self._rules.check(number, parent, child, self._sets.of, self._sets)
            fields = EpochFields.of(child)
        return Lineage(fields.epoch, fields.set_hash, fields.next_set_hash, fields.root_number, fields.root_hash)

    def closing_calls(self, number: int, parent: ConsensusHeader, epoch: int, view: int) -> SystemCalls:
        """On the root shard: who missed a turn before this block, and whether the epoch ends."""
        if self._chain.shard != 0:
            return ()
        members = self._sets.certain(epoch)
        first = max(parent.view + 1, view - staking.MISSED_MAX)
        missed = [members.validators[members.leader(skipped)].address for skipped in range(first, view)]
        last = number == self._rules.last_of(epoch)
        return (*staking.closing_calls(epoch, last, missed), *da.closing_calls(epoch, last))

    def committed(self, block: StoredBlock) -> None:
        """At an epoch's end, read the next sets and keep the proof of who takes over."""
        if not self._rules.ends(block.number, block.consensus):
            return
        if self._chain.shard == 0:
            self._sets.read()
        members = self._sets.certain(block.consensus.epoch + 1).validators
        proof = EpochProof(block.header, block.consensus, Certificate.decode(block.certificate), members)
        self._chain.blocks.put_epoch(block.consensus.epoch, proof.encode())


class Instances:
    """The consensus instances of one shard, one an epoch. Satisfies `consensus.service.Epochs`."""

    def __init__(
        self,
        genesis: Genesis,
        shard: int,
        sets: ValidatorSets,
        voter: Voter | None,
        timeouts: Timeouts,
        verifier: Verifier,
    ) -> None:
        self._network = genesis.network
        self._chain_id = genesis.chain_id(shard)
        self._rules = Epochs(shard, genesis.epoch_blocks)
        self._sets = sets
        self._voter = voter
        self._timeouts = timeouts
        self._verifier = verifier

    def after(self, block: StoredBlock) -> int:
        """The epoch of a final block's children."""
        return self._rules.epoch_after(block.number, block.consensus)

    def instance(self, epoch: int, restored: Restored) -> Instance:
        """A new instance for `epoch`; it observes when our key is not in the set."""
        members, domain = self._sets.certain(epoch), Domain(self._network, self._chain_id, epoch)
        voter = self._voter
        index = members.index_of(voter.address) if voter is not None else None
        signer = Signer(voter.key, index) if voter is not None and index is not None else None
        return Simplex(members, domain, signer, self._timeouts, restored, self._rules.is_last, self._verifier)


class Standing:
    """Whether this node votes, as its operator was told last."""

    def __init__(self, sets: ValidatorSets, voter: Voter) -> None:
        self._sets = sets
        self._address = voter.address
        self._votes = True

    def look(self, epoch: int, *, votes: bool) -> None:
        """Say so when it has changed; of the root shard's epoch, once the node follows the network."""
        if votes == self._votes:
            return
        self._votes = votes
        address = "0x" + self._address.hex()
        if votes:
            log.info("epoch=%d %s votes from now on", epoch, address)
            return
        # Who never was one may hold data without validating; who was one has lost its place.
        level = logging.WARNING if self._sets.has_seen(self._address) else logging.INFO
        log.log(
            level,
            "epoch=%d %s is not among the validators, and follows without voting: see `zg-node validator info %s`",
            *(epoch, address, address),
        )
