// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

/// @title All that an ordinary ruling needs of Concent, as the one word it is stored in
/// @notice Reading it for the key pays for writing what was moved:
///
///     255   248 247        184 183 168 167       160 159      0
///     |    0   |  movedGwei  |  day  |  threshold  |  leadKey  |
///
/// The lead key is the lowest; where it is the only one, no other slot is read. `movedGwei` is what rulings moved in
/// `day`, in 1e9 wei, each rounded up, since what is exact to 18 decimals has no room here. A day counts from 1970; there
/// is room for them until the year 2149.
library OfficeWord {
    uint256 private constant MAX_64 = type(uint64).max;
    uint256 private constant MAX_16 = type(uint16).max;
    uint256 private constant MAX_8 = type(uint8).max;

    /// With what was moved kept, for other keys.
    function withKeys(uint256 word, address leadKey_, uint256 threshold_) internal pure returns (uint256) {
        return ((word >> 168) << 168) | (threshold_ << 160) | uint160(leadKey_);
    }

    /// `day_` must fit 16 bits and `movedGwei_` 64.
    function withMoved(uint256 word, uint256 day_, uint256 movedGwei_) internal pure returns (uint256) {
        return (word & ((1 << 168) - 1)) | (day_ << 168) | (movedGwei_ << 184);
    }

    function leadKey(uint256 word) internal pure returns (address) {
        return address(uint160(word));
    }

    function threshold(uint256 word) internal pure returns (uint256) {
        return (word >> 160) & MAX_8;
    }

    /// What was moved on `day_`, in 1e9 wei.
    function movedGwei(uint256 word, uint256 day_) internal pure returns (uint256) {
        return (word >> 168) & MAX_16 == day_ ? (word >> 184) & MAX_64 : 0;
    }
}
