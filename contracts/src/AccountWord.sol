// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

/// @title An account of `ConcentDeposit` as the one word it is stored in
///
///     255   232 231     192 191          96 95            0
///     |    0    | unlockAt |   reserved    |    deposit    |
///
/// @dev By hand, since the fields of a packed struct cost a read and a write each. Never is more reserved than deposited,
/// so what is taken from either is there; what is added must fit 96 bits with the rest.
library AccountWord {
    uint256 private constant MAX_96 = type(uint96).max;
    uint256 private constant RESERVED_UNIT = 1 << 96;

    function deposit(uint256 word) internal pure returns (uint256) {
        return word & MAX_96;
    }

    function reserved(uint256 word) internal pure returns (uint256) {
        return (word >> 96) & MAX_96;
    }

    function unlockAt(uint256 word) internal pure returns (uint256) {
        return word >> 192;
    }

    /// What is not at stake.
    function free(uint256 word) internal pure returns (uint256) {
        unchecked {
            return deposit(word) - reserved(word);
        }
    }

    /// The same account with `amount` more in it, and locked.
    function locked(uint256 word, uint256 amount) internal pure returns (uint256) {
        unchecked {
            return (word & ((1 << 192) - 1)) + amount;
        }
    }

    /// The account must be locked.
    function unlocked(uint256 word, uint256 unlockAt_) internal pure returns (uint256) {
        return word | (unlockAt_ << 192);
    }

    function plusDeposit(uint256 word, uint256 amount) internal pure returns (uint256) {
        unchecked {
            return word + amount;
        }
    }

    function minusDeposit(uint256 word, uint256 amount) internal pure returns (uint256) {
        unchecked {
            return word - amount;
        }
    }

    function plusReserved(uint256 word, uint256 amount) internal pure returns (uint256) {
        unchecked {
            return word + amount * RESERVED_UNIT;
        }
    }

    function minusReserved(uint256 word, uint256 amount) internal pure returns (uint256) {
        unchecked {
            return word - amount * RESERVED_UNIT;
        }
    }
}
