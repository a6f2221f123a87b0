"""What consensus messages say about the peers that send them.

does not hold       the step raised InvalidMessage      ─▶ Network.report
contradicts itself  the step made a Report of it        ─▶ Network.report
first checked vote of a validator in this epoch         ─▶ Network.protect: connections are kept before others'
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from zg_node.consensus.instance import Effect, Message, Received, Report
from zg_node.consensus.messages import Certificate, Vote
from zg_node.consensus.votes import Claim
from zg_node.errors import BadSignature, InvalidMessage
from zg_node.p2p.network import Network, Offence


class Conduct:
    """One shard's view of its peers."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._voters: dict[int, str] = {}
        """By index in the epoch's set, the peer that its first vote came from."""
        self._contested = False
        """Whether a validator's vote has come from another peer as well in this epoch; it need not be genuine."""

    def introduces(self, event: Received, claims: Callable[[Message], Sequence[Claim]]) -> bool:
        """Before the step: whether it will check the signature of a validator that has not voted in this epoch."""
        if not isinstance(event.message, Vote):
            return False
        if event.message.voter in self._voters:
            self._contested |= self._voters[event.message.voter] != event.sender
            return False
        try:
            return bool(claims(event.message))
        except InvalidMessage:
            return False

    def failed(self, event: Received, error: InvalidMessage) -> None:
        """The step refused the message."""
        offence = Offence.BAD_SIGNATURE if isinstance(error, BadSignature) else Offence.INVALID
        self._network.report(event.sender, offence)

    def passed(self, event: Received, effects: Sequence[Effect], *, introduces: bool) -> None:
        """The step took the message. Votes and proposals come from those who signed them: nobody passes them on."""
        message = event.message
        if not isinstance(message, Certificate) and any(isinstance(effect, Report) for effect in effects):
            self._network.report(event.sender, Offence.CONTRADICTION)
        elif introduces and isinstance(message, Vote):
            self._voters[message.voter] = event.sender
            self._network.protect(event.sender, True)

    def voters(self, others: Collection[int], peers: Collection[str]) -> Collection[str] | None:
        """The peers that the validators with the indices `others` vote from, when each of them has voted in this epoch
        and is among the connected `peers`. None, too, when anybody else has sent a vote as one of them: who is the
        validator is open then."""
        found = [peer for index in others if (peer := self._voters.get(index)) is not None]
        known = len(found) == len(others) and not self._contested
        return found if known and set(found) <= set(peers) else None

    def begin_epoch(self) -> None:
        """Another set votes now."""
        for peer in self._voters.values():
            self._network.protect(peer, False)
        self._voters.clear()
        self._contested = False
