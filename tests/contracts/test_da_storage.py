"""The contract's storage, slot by slot, says what its views say: this pins the layout that light clients rely on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contracts.data_chain import DataChain, register
from tests.contracts.staking_chain import account
from zg_node.contracts import da, da_storage

PEERS = (
    "",
    "x",
    "p" * 31,
    "p" * 32,
    "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA",
    "p" * 64,
)
LONG = "p" * 65


@pytest.fixture
def chain(tmp_path: Path) -> DataChain:
    return DataChain(tmp_path / "state")


def word(chain: DataChain, slot: int) -> int:
    return chain.state.storage(chain.head, da.DATA_AVAILABILITY, slot)


def peer(chain: DataChain, signer: bytes) -> str:
    return da_storage.decode_peer([word(chain, slot) for slot in da_storage.peer_slots(signer)])


def members(chain: DataChain, epoch: int) -> list[tuple[bytes, int]]:
    version = word(chain, da_storage.version_slot(epoch))
    count = word(chain, da_storage.count_slot(version))
    return [da_storage.decode_member(word(chain, slot)) for slot in da_storage.member_slots(version, count)]


def test_the_sets_and_beacons_of_all_epochs_are_those_of_the_views(chain: DataChain) -> None:
    register(chain, 0, 300)
    for _ in range(3):
        chain.end_epoch()
    assert len(members(chain, 0)) == 4
    assert len(members(chain, 3)) == 5
    for epoch in range(5):
        assert members(chain, epoch) == [(signer, stake) for signer, stake, _ in chain.holders(epoch)]
        beacon = word(chain, da_storage.beacon_slot(epoch)).to_bytes(32, "big")
        assert (beacon if any(beacon) else None) == da.decode_beacon(chain.ask(da.beacon_call(epoch)))


def test_an_epoch_whose_set_is_not_fixed_has_none(chain: DataChain) -> None:
    assert word(chain, da_storage.version_slot(2)) == 0
    assert members(chain, 2) == []


def test_the_fields_of_a_blob_are_those_of_its_request(chain: DataChain) -> None:
    assert da_storage.decode_fields(word(chain, da_storage.fields_slot(bytes(32)))) == (0, 0, 0, 0)
    chain.end_epoch()
    blob = chain.certified(chain.blob(epochs=3))
    fields = da_storage.decode_fields(word(chain, da_storage.fields_slot(blob.id(chain.network))))
    assert fields == (blob.length, blob.quorum, blob.epoch, blob.expiry)
    assert blob.epoch == 1
    assert blob.expiry == 3


def test_peer_ids_of_every_length_are_read_and_leave_nothing_behind(chain: DataChain) -> None:
    register(chain, 0, 300)
    signer = account(300)
    for text in (*PEERS, *reversed(PEERS)):
        chain.act(0, da.set_peer(signer, text))
        assert peer(chain, signer) == chain.holder(signer).peer == text


def test_what_is_longer_than_any_peer_id_is_none(chain: DataChain) -> None:
    register(chain, 0, 300)
    chain.act(0, da.set_peer(account(300), LONG))
    assert chain.holder(account(300)).peer == LONG
    assert peer(chain, account(300)) == ""
