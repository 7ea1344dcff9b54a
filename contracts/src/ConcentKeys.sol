// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {CompactSignature} from "./CompactSignature.sol";
import {OfficeWord} from "./OfficeWord.sol";
import {IConcentDeposit} from "./interfaces/IConcentDeposit.sol";

/// @title Concent's keys, how they change, and how much they may move in a day
abstract contract ConcentKeys is IConcentDeposit, EIP712 {
    bytes32 private constant ROTATION_TYPEHASH = keccak256("Rotation(address[] keys,uint256 threshold,uint256 nonce)");
    bytes32 private constant CANCEL_TYPEHASH = keccak256("CancelRotation(uint256 nonce)");

    /// More would make a ruling dear, and a quorum of people slow.
    uint256 private constant KEYS_MAX = 16;

    /// What is moved in a day has room for this much.
    uint256 internal constant DAILY_LIMIT_MAX = uint256(type(uint64).max) * 1 gwei;

    uint256 internal immutable _ROTATION_DELAY;
    uint256 internal immutable _DAILY_LIMIT;

    /// An `OfficeWord`.
    uint256 private _office;
    /// In ascending order.
    address[] private _keys;
    mapping(address key => bool) private _isKey;

    /// What is announced: the hash of `abi.encode(keys, threshold)`, zero where nothing is.
    bytes32 private _proposed;
    uint40 private _activeAt;
    uint216 private _rotationNonce;

    constructor(address[] memory keys, uint256 threshold, uint256 rotationDelay, uint256 dailyLimit) {
        _ROTATION_DELAY = rotationDelay;
        _DAILY_LIMIT = dailyLimit;
        _setKeys(keys, threshold);
    }

    /// @inheritdoc IConcentDeposit
    function proposeRotation(address[] calldata keys, uint256 threshold, bytes calldata signatures) external {
        _checkKeys(keys, threshold);
        _checkSignatures(rotationDigest(keys, threshold, _rotationNonce), signatures);
        uint40 activeAt = SafeCast.toUint40(block.timestamp + _ROTATION_DELAY);

        _rotationNonce += 1;
        _activeAt = activeAt;
        _proposed = keccak256(abi.encode(keys, threshold));
        emit RotationProposed(keys, threshold, activeAt);
    }

    /// @inheritdoc IConcentDeposit
    function cancelRotation(bytes calldata signatures) external {
        if (_proposed == 0) revert NotProposed();
        uint256 nonce = _rotationNonce;
        _checkSignatures(cancelRotationDigest(nonce), signatures);

        _rotationNonce += 1;
        _activeAt = 0;
        _proposed = 0;
        emit RotationCancelled(nonce);
    }

    /// @inheritdoc IConcentDeposit
    function rotate(address[] calldata keys, uint256 threshold) external {
        if (_proposed == 0 || _proposed != keccak256(abi.encode(keys, threshold))) revert NotProposed();
        if (block.timestamp < _activeAt) revert TooEarly(_activeAt, block.timestamp);

        _activeAt = 0;
        _proposed = 0;
        _setKeys(keys, threshold);
    }

    /// @inheritdoc IConcentDeposit
    function concent() external view returns (address[] memory keys, uint256 threshold) {
        return (_keys, OfficeWord.threshold(_office));
    }

    /// @inheritdoc IConcentDeposit
    function movedToday() external view returns (uint256) {
        return OfficeWord.movedGwei(_office, _today()) * 1 gwei;
    }

    /// @inheritdoc IConcentDeposit
    function rotation() external view returns (uint256 nonce, bytes32 proposed, uint40 activeAt) {
        return (_rotationNonce, _proposed, _activeAt);
    }

    /// @inheritdoc IConcentDeposit
    function rotationDigest(address[] calldata keys, uint256 threshold, uint256 nonce) public view returns (bytes32) {
        bytes32 keysHash = keccak256(abi.encodePacked(keys));
        return _hashTypedDataV4(keccak256(abi.encode(ROTATION_TYPEHASH, keysHash, threshold, nonce)));
    }

    /// @inheritdoc IConcentDeposit
    function cancelRotationDigest(uint256 nonce) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(CANCEL_TYPEHASH, nonce)));
    }

    /// Reverts unless enough keys signed `digest`, and counts `moved` towards the daily limit.
    function _checkRuling(bytes32 digest, bytes calldata signatures, uint256 moved) internal {
        uint256 office = _office;
        _checkSignatures(office, digest, signatures);
        uint256 before = OfficeWord.movedGwei(office, _today());
        uint256 movedGwei = before + (moved + 1 gwei - 1) / 1 gwei;
        if (movedGwei * 1 gwei > _DAILY_LIMIT) revert DailyLimitReached(before * 1 gwei, moved, _DAILY_LIMIT);

        _office = OfficeWord.withMoved(office, _today(), movedGwei);
    }

    function _checkSignatures(bytes32 digest, bytes calldata signatures) private view {
        _checkSignatures(_office, digest, signatures);
    }

    /// One key counts once, since each signer must be above the last.
    function _checkSignatures(uint256 office, bytes32 digest, bytes calldata signatures) private view {
        uint256 count;
        address last;
        for (uint256 start; start + CompactSignature.BYTES <= signatures.length; start += CompactSignature.BYTES) {
            (bytes32 r, bytes32 vs) = CompactSignature.read(signatures, start);
            address signer = CompactSignature.signer(digest, r, vs);
            if (signer <= last || (signer != OfficeWord.leadKey(office) && !_isKey[signer])) break;
            last = signer;
            count += 1;
        }
        uint256 needed = OfficeWord.threshold(office);
        if (count < needed || signatures.length != count * CompactSignature.BYTES) {
            revert TooFewSignatures(count, needed);
        }
    }

    function _setKeys(address[] memory keys, uint256 threshold) private {
        _checkKeys(keys, threshold);
        address[] memory before = _keys;
        for (uint256 i; i < before.length; ++i) {
            delete _isKey[before[i]];
        }
        _keys = keys;
        for (uint256 i; i < keys.length; ++i) {
            _isKey[keys[i]] = true;
        }
        _office = OfficeWord.withKeys(_office, keys[0], threshold);
        emit Rotated(keys, threshold);
    }

    function _checkKeys(address[] memory keys, uint256 threshold) private pure {
        bool inOrder = keys.length != 0 && keys.length <= KEYS_MAX && threshold != 0 && threshold <= keys.length;
        for (uint256 i; inOrder && i < keys.length; ++i) {
            inOrder = keys[i] > (i == 0 ? address(0) : keys[i - 1]);
        }
        if (!inOrder) revert BadKeys(keys.length, threshold);
    }

    function _today() private view returns (uint256) {
        return SafeCast.toUint16(block.timestamp / 1 days);
    }
}
