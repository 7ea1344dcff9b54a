// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

/// @title A channel as the one word it is stored in
/// @notice Never zero again once the channel was opened, so that opening it again does not pay for a new slot:
///
///     255   224 223     192 191          96 95            0
///     |  epoch  |  closeAt  |    deposit   |    claimed   |
///
/// @dev By hand, since the fields of a packed struct cost a read and a write each. Values that are put in must fit
/// their field; those taken out do.
library ChannelWord {
    uint256 private constant MAX_96 = type(uint96).max;
    uint256 private constant MAX_32 = type(uint32).max;

    /// An open channel of which no close is requested.
    function funded(uint256 epoch_, uint256 deposit_, uint256 claimed_) internal pure returns (uint256) {
        return (epoch_ << 224) | (deposit_ << 96) | claimed_;
    }

    /// With `added`, what is claimed must still fit its field, as any amount up to the deposit does.
    function plusClaimed(uint256 word, uint256 added) internal pure returns (uint256) {
        unchecked {
            return word + added;
        }
    }

    /// `word` must have no close requested.
    function withCloseAt(uint256 word, uint256 closeAt_) internal pure returns (uint256) {
        return word | (closeAt_ << 192);
    }

    /// What a closed channel keeps: its epoch.
    function closed(uint256 word) internal pure returns (uint256) {
        return word & (MAX_32 << 224);
    }

    function claimed(uint256 word) internal pure returns (uint256) {
        return word & MAX_96;
    }

    function deposit(uint256 word) internal pure returns (uint256) {
        return (word >> 96) & MAX_96;
    }

    function closeAt(uint256 word) internal pure returns (uint256) {
        return (word >> 192) & MAX_32;
    }

    function epoch(uint256 word) internal pure returns (uint256) {
        return word >> 224;
    }
}
