"""Validators 0 and 1 live two lives, one with the even nodes and one with the odd: two of four make a fork of it.

It is not among `ATTACKERS`: the protocol promises nothing when so much stake is faulty, but that the votes convict it.
"""

from __future__ import annotations

from collections.abc import Sequence

from tests.sim.attackers.attacker import Attacker, Message

CONSPIRATORS = (0, 1)


class Conspiracy(Attacker):
    copies = 2

    def bend(self, message: Message, to: int) -> Sequence[Message]:
        return (message,) if to in CONSPIRATORS or to % 2 == self.means.copy else ()

    def hears(self, sender: int, copy: int) -> bool:
        side = copy if sender in CONSPIRATORS else sender % 2
        return side == self.means.copy
