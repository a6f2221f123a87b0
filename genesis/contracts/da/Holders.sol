// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Signatures} from "../common/Signatures.sol";
import {DataState} from "./DataState.sol";
import {HolderInfo} from "./IDataAvailability.sol";

/// @title Holders: deposits in, who competes for the coming sets, deposits out
/// @notice A holder is known by the address whose signatures are its promises, and belongs to an owner, who paid the
///         deposit. The list is bounded, so that an epoch change always fits its gas: when it is full, a newcomer needs
///         more stake than the weakest on it, whose place it takes. Who leaves is in no set from the epoch after
///         the next on, and its deposit stays here, to be slashed, until nothing that it may have signed is kept any
///         more.
abstract contract Holders is DataState, Signatures {
    /// @notice Makes `signer` a holder of the caller's, with the value as its deposit. Its first set is that of the
    ///         second epoch after this one.
    /// @param peer the libp2p peer id under which it serves, at most 128 characters of ASCII; may be told later
    /// @param proof the signer's signature (65 bytes) of `registrationDigest(caller)`; empty when the signer calls
    function register(address signer, string calldata peer, bytes calldata proof) external payable {
        Holder storage h = _holders[signer];
        require(h.stake == 0, HolderExists());
        bool itself = msg.sender == signer && proof.length == 0;
        bool consents = itself || _recover(registrationDigest(msg.sender), proof) == signer;
        require(signer != address(0) && consents, BadProof());
        h.owner = msg.sender;
        h.releasedIn = 0;
        _reachAt(h, peer);
        _deposit(h, msg.value);
        _enter(signer, h);
        emit Registered(signer, msg.sender, msg.value, peer);
    }

    /// @notice Changes where a holder is reached, at once. For its signer and its owner.
    function setPeer(address signer, string calldata peer) external {
        Holder storage h = _known(signer);
        require(msg.sender == signer || msg.sender == h.owner, NotOwner());
        _reachAt(h, peer);
        emit PeerChanged(signer, peer);
    }

    /// @notice Adds the value to a deposit, and puts the holder on the list if it is not there. Anyone may.
    function addStake(address signer) external payable {
        Holder storage h = _known(signer);
        require(h.releasedIn == 0, IsLeaving(h.releasedIn));
        _deposit(h, msg.value);
        if (h.place == 0) _enter(signer, h);
        else _listed[h.place - 1] = _entry(signer, h);
        emit StakeAdded(signer, msg.value);
    }

    /// @notice Leaves, for good: the holder serves in the sets that are fixed already, and stays liable.
    function requestExit(address signer) external {
        Holder storage h = _owned(signer);
        require(h.releasedIn == 0, IsLeaving(h.releasedIn));
        // In epoch e + 1 at the latest it signs for lifeEpochs; who signs no more is free in the epoch after.
        h.releasedIn = _epoch + _config.lifeEpochs + 1;
        _leave(signer);
        emit ExitRequested(signer, h.releasedIn);
    }

    /// @notice Pays the deposit of a holder that has left to its owner.
    function withdraw(address signer) external nonReentrant returns (uint256 amount) {
        Holder storage h = _owned(signer);
        require(h.releasedIn != 0, NotLeaving());
        require(_epoch >= h.releasedIn, IsLeaving(h.releasedIn));
        require(h.open == 0, ChallengesOpen(h.open));
        amount = h.stake;
        require(amount > 0, NothingToPay());
        h.stake = 0;
        emit Withdrawn(signer, h.owner, amount);
        _pay(h.owner, amount);
    }

    /// @notice Puts a holder back on the list that stronger ones had pushed off it. Anyone may ask.
    function enlist(address signer) external {
        Holder storage h = _known(signer);
        require(h.releasedIn == 0, IsLeaving(h.releasedIn));
        if (h.place == 0) _enter(signer, h);
    }

    /// @notice What a signer signs to be a holder of `owner`.
    function registrationDigest(address owner) public view returns (bytes32) {
        return keccak256(abi.encodePacked("ZGDAREG1", _config.network, uint64(block.chainid), owner));
    }

    function holderInfo(address signer) external view returns (HolderInfo memory) {
        Holder storage h = _known(signer);
        return HolderInfo(signer, h.owner, h.peer, h.stake, h.place != 0, h.releasedIn, h.open);
    }

    /// @notice How many the coming sets are chosen from.
    function listedCount() external view returns (uint256) {
        return _listed.length;
    }

    // ── inside ──────────────────────────────────────────────────────────────────────────────────────────────────────

    function _known(address signer) internal view returns (Holder storage h) {
        h = _holders[signer];
        require(h.owner != address(0), UnknownHolder());
    }

    function _deposit(Holder storage h, uint256 amount) internal {
        require(h.stake + amount <= type(uint128).max, TooMuchStake());
        h.stake += uint128(amount);
    }

    function _enter(address signer, Holder storage h) internal {
        require(h.stake >= _config.minStake, TooLittleStake(h.stake, _config.minStake));
        uint256 entry = _entry(signer, h);
        if (_listed.length == LISTED_MAX) {
            uint256 weakest = _weakest();
            require(_coinsOf(entry) > _coinsOf(weakest), HoldersFull());
            _leave(_signerOf(weakest));
        }
        _listed.push(entry);
        h.place = uint16(_listed.length);
    }

    function _leave(address signer) internal {
        uint16 place = _holders[signer].place;
        if (place == 0) return;
        uint256 last = _listed[_listed.length - 1];
        _listed[place - 1] = last;
        _holders[_signerOf(last)].place = place;
        _listed.pop();
        _holders[signer].place = 0;
    }

    /// Take from a deposit; who has too little left is taken off the list.
    function _reduce(address signer, uint256 amount) internal {
        Holder storage h = _holders[signer];
        h.stake -= uint128(amount);
        if (h.place == 0) return;
        if (h.stake < _config.minStake) _leave(signer);
        else _listed[h.place - 1] = _entry(signer, h);
    }

    /// Printable ASCII only: a set is read as a whole, and one holder's bytes must not spoil it.
    function _reachAt(Holder storage h, string calldata peer) private {
        bytes calldata text = bytes(peer);
        require(text.length <= PEER_BYTES_MAX, BadPeer());
        for (uint256 i = 0; i < text.length; ++i) require(text[i] > 0x20 && text[i] < 0x7f, BadPeer());
        h.peer = peer;
    }

    function _owned(address signer) private view returns (Holder storage h) {
        h = _known(signer);
        require(msg.sender == h.owner, NotOwner());
    }

    function _entry(address signer, Holder storage h) private view returns (uint256) {
        uint256 coins = h.stake / COIN;
        return uint256(uint160(signer)) << 96 | (coins < COUNTED_MAX ? coins : COUNTED_MAX);
    }

    function _weakest() private view returns (uint256 weakest) {
        weakest = type(uint256).max;
        for (uint256 i = 0; i < LISTED_MAX; ++i) {
            uint256 entry = _listed[i];
            if (_coinsOf(entry) < _coinsOf(weakest)) weakest = entry;
        }
    }
}
