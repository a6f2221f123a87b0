"""A validator that is started on an empty disk with its old key, again and again, and does not know what it signed."""

from __future__ import annotations

from tests.sim.attackers.attacker import Attacker


class Amnesia(Attacker):
    forgets = True
