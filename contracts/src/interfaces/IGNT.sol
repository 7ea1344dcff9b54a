// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {IERC1363} from "@openzeppelin/contracts/interfaces/IERC1363.sol";

/// @title What Golem adds to an ERC-20 with permit (ERC-2612) and transfer-and-call (ERC-1363)
/// @notice Refusals are the standard ones of ERC-6093, ERC-2612 and ERC-1363.
interface IGNT is IERC20Metadata, IERC20Permit, IERC1363 {
    /// @notice Pays many holders at once: the batched nanopayment, for payees who trust to be paid later.
    /// @dev Anybody may call it for their own tokens. All or nothing: one refused word undoes the batch.
    /// A payee may occur more than once. Each word makes one `Transfer`.
    /// @param payments A word is `amount uint96 | to address`, the amount in the high bits, in wei of GNT.
    /// The zero address and the caller are refused (`ERC20InvalidReceiver`), as is a sum above the caller's balance
    /// (`ERC20InsufficientBalance`, which names the sum).
    /// @return True, always.
    function batchTransfer(bytes32[] calldata payments) external returns (bool);
}
