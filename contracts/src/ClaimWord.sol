// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {IConcentDeposit} from "./interfaces/IConcentDeposit.sol";

/// @title A claim on a promise as the one word it is stored in
/// @notice Zero where there is no claim, or none any more.
///
///     255 240 239   232 231    192 191          96 95           0
///     |  0   |  stage  |    due   |   reserved    |   amount     |
library ClaimWord {
    uint256 private constant MAX_96 = type(uint96).max;
    uint256 private constant MAX_40 = type(uint40).max;

    function pack(IConcentDeposit.Stage stage_, uint256 due_, uint256 reserved_, uint256 amount_)
        internal
        pure
        returns (uint256)
    {
        return (uint256(stage_) << 232) | (due_ << 192) | (reserved_ << 96) | amount_;
    }

    function amount(uint256 word) internal pure returns (uint256) {
        return word & MAX_96;
    }

    function reserved(uint256 word) internal pure returns (uint256) {
        return (word >> 96) & MAX_96;
    }

    function due(uint256 word) internal pure returns (uint256) {
        return (word >> 192) & MAX_40;
    }

    function stage(uint256 word) internal pure returns (IConcentDeposit.Stage) {
        return IConcentDeposit.Stage(word >> 232);
    }
}
