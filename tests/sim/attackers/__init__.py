"""The attackers, by name; one file each."""

from __future__ import annotations

from tests.sim.attackers.amnesia import Amnesia
from tests.sim.attackers.attacker import Attacker
from tests.sim.attackers.bad_root import BadRoot
from tests.sim.attackers.double_vote import DoubleVote
from tests.sim.attackers.early_end import EarlyEnd
from tests.sim.attackers.equivocating_leader import EquivocatingLeader
from tests.sim.attackers.garbage_flood import GarbageFlood
from tests.sim.attackers.impatient import Impatient
from tests.sim.attackers.other_body import OtherBody
from tests.sim.attackers.payload_withheld import PayloadWithheld
from tests.sim.attackers.selective_sending import SelectiveSending
from tests.sim.attackers.stale_certificates import StaleCertificates
from tests.sim.attackers.twins import Twins
from tests.sim.attackers.wrong_parent import WrongParent

ATTACKERS: dict[str, type[Attacker]] = {
    "amnesia": Amnesia,
    "bad root": BadRoot,
    "double vote": DoubleVote,
    "early end": EarlyEnd,
    "equivocating leader": EquivocatingLeader,
    "garbage flood": GarbageFlood,
    "impatient": Impatient,
    "other body": OtherBody,
    "payload withheld": PayloadWithheld,
    "selective sending": SelectiveSending,
    "stale certificates": StaleCertificates,
    "twins": Twins,
    "wrong parent": WrongParent,
}
