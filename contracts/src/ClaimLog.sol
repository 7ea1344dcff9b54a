// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {IPaymentChannels} from "./interfaces/IPaymentChannels.sol";

/// @title The event `Claimed`, written while a batch is gone through
/// @dev Assembly, since to collect a list and have it encoded afterwards copies each word once more. Pinned by the tests
/// of `claimMany`, which expect the event as Solidity encodes it.
library ClaimLog {
    /// Memory that is the data of the event, and thus `32 | length | channels...`.
    type Log is uint256;
    /// Where the next of `channels` goes.
    type End is uint256;

    function begin(uint256 entriesMax) internal pure returns (Log log, End end) {
        assembly ("memory-safe") {
            log := mload(0x40)
            mstore(log, 32)
            end := add(log, 64)
            mstore(0x40, add(end, shl(5, entriesMax)))
        }
    }

    /// At most `entriesMax` times. `payer` must have no bits above its 160, as what `ecrecover` gives has none.
    function put(End end, uint256 claimed, address payer) internal pure returns (End next) {
        assembly ("memory-safe") {
            mstore(end, or(shl(160, claimed), payer))
            next := add(end, 32)
        }
    }

    function send(Log log, End end, address payee) internal {
        bytes32 topic = IPaymentChannels.Claimed.selector;
        assembly ("memory-safe") {
            let length := sub(end, log)
            mstore(add(log, 32), shr(5, sub(length, 64)))
            log2(log, length, topic, payee)
        }
    }
}
