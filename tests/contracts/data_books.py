"""What the contract of data availability owes, added up by a reader that trusts only its views."""

from __future__ import annotations

from collections.abc import Iterable

from tests.contracts.data_chain import BOND, DataChain
from zg_node.contracts import da
from zg_node.da.certificate import Blob


def due(chain: DataChain, signers: Iterable[bytes], blobs: Iterable[Blob], accounts: Iterable[int]) -> int:
    """Wei: deposits, escrow, bonds of open challenges, what accounts may collect, and the reserve."""
    open_challenges = sum(
        da.decode_challenge_info(chain.ask(da.challenge_info_call(number))).deadline != 0
        for number in range(chain.read("challengeCount"))
    )
    deposits = sum(chain.holder(signer).stake for signer in set(signers))
    escrow = sum(chain.blob_info(blob).escrow for blob in set(blobs))
    owed = sum(chain.owed(number) for number in set(accounts))
    return deposits + escrow + open_challenges * BOND + owed + int(chain.read("reserve"))


def check(chain: DataChain, signers: Iterable[bytes], blobs: Iterable[Blob], accounts: Iterable[int]) -> None:
    """Every wei of the contract is somebody's, and nobody's is missing."""
    assert chain.balance(da.DATA_AVAILABILITY) == due(chain, signers, blobs, accounts)
