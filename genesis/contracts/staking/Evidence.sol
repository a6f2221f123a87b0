// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Candidates} from "./Candidates.sol";
import {Statement} from "./IStaking.sol";
import {Signatures} from "../common/Signatures.sol";

/// @title Contradictory signatures, and what they cost: a part of the stake, once, and the validator's life
/// @notice Two statements of one voter for one chain, epoch and view contradict each other when they are
///
///             NOTARIZE and NOTARIZE, or FINALIZE and FINALIZE, of different blocks
///             SKIP and FINALIZE
///             proposals of different blocks, or on parents of different views
///
///         The slash takes from everyone who stands behind the validator, coins that still unbond included, and goes to
///         the reserve. The sets of this epoch and the next are fixed and keep the validator until they end.
abstract contract Evidence is Candidates, Signatures {
    uint8 private constant PROPOSAL = 0;
    uint8 private constant NOTARIZE = 1;
    uint8 private constant SKIP = 2;
    uint8 private constant FINALIZE = 3;

    /// @notice Slashes whoever signed both. Anyone may submit; evidence older than the unbonding period is refused,
    ///         because those who stood behind it then may have left.
    function submitEvidence(
        uint64 chainId,
        uint64 epoch_,
        uint64 view_,
        Statement calldata first,
        Statement calldata second
    ) external nonReentrant returns (address validator) {
        require(_contradict(first, second), NotContradictory());
        require(epoch_ + _config.unbondingEpochs > _epoch && epoch_ <= _epoch + 1, EvidenceOutOfTime(_epoch));
        bytes memory bound = abi.encodePacked(_config.network, chainId, epoch_, view_);
        address signer = _recover(_digest(bound, first), first.signature);
        require(signer != address(0) && signer == _recover(_digest(bound, second), second.signature), NotSameSigner());
        validator = _servedBy[signer];
        _slash(validator);
    }

    function _contradict(Statement calldata a, Statement calldata b) private pure returns (bool) {
        if (a.kind == b.kind) {
            if (a.kind == PROPOSAL && a.parentView != b.parentView) return true;
            return (a.kind == PROPOSAL || a.kind == NOTARIZE || a.kind == FINALIZE) && a.blockHash != b.blockHash;
        }
        (Statement calldata skip, Statement calldata other) = a.kind == SKIP ? (a, b) : (b, a);
        return skip.kind == SKIP && skip.blockHash == 0 && other.kind == FINALIZE;
    }

    /// What the node signs: zg_node/consensus/messages.py, Domain.
    function _digest(bytes memory bound, Statement calldata s) private pure returns (bytes32) {
        if (s.kind == PROPOSAL) return keccak256(abi.encodePacked("ZGPROP1\x00", bound, s.parentView, s.blockHash));
        return keccak256(abi.encodePacked("ZGVOTE1", s.kind, bound, s.blockHash));
    }

    function _slash(address validator) private {
        Validator storage v = _known(validator);
        require(v.tombstonedIn == 0, IsTombstoned());
        uint128 amount = uint128(uint256(v.tokens) * _config.slashPpm / PPM);
        v.tokens -= amount;
        _reserve += amount;
        v.tombstonedIn = _epoch + 1;
        _leave(validator);
        emit Slashed(validator, msg.sender, _epoch, amount);
    }
}
