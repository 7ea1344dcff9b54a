// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {IERC1363} from "@openzeppelin/contracts/interfaces/IERC1363.sol";
import {IERC1363Receiver} from "@openzeppelin/contracts/interfaces/IERC1363Receiver.sol";
import {IERC1363Spender} from "@openzeppelin/contracts/interfaces/IERC1363Spender.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC1363Utils} from "@openzeppelin/contracts/token/ERC20/utils/ERC1363Utils.sol";
import {ERC165, IERC165} from "@openzeppelin/contracts/utils/introspection/ERC165.sol";

/// @title A transfer or an approval, and a call to who gets it, in one transaction
/// @dev OpenZeppelin's extension takes the data through memory; this one hands them on from calldata, for what that
/// saves whoever opens a channel. What the receiver reverts with, the caller sees.
abstract contract ERC1363 is ERC20, ERC165, IERC1363 {
    /// @inheritdoc IERC1363
    function transferAndCall(address to, uint256 value) external returns (bool) {
        _transfer(msg.sender, to, value);
        return _received(msg.sender, to, value, _nothing());
    }

    /// @inheritdoc IERC1363
    function transferAndCall(address to, uint256 value, bytes calldata data) external returns (bool) {
        _transfer(msg.sender, to, value);
        return _received(msg.sender, to, value, data);
    }

    /// @inheritdoc IERC1363
    function transferFromAndCall(address from, address to, uint256 value) external returns (bool) {
        transferFrom(from, to, value);
        return _received(from, to, value, _nothing());
    }

    /// @inheritdoc IERC1363
    function transferFromAndCall(address from, address to, uint256 value, bytes calldata data) external returns (bool) {
        transferFrom(from, to, value);
        return _received(from, to, value, data);
    }

    /// @inheritdoc IERC1363
    function approveAndCall(address spender, uint256 value) external returns (bool) {
        _approve(msg.sender, spender, value);
        return _approved(spender, value, _nothing());
    }

    /// @inheritdoc IERC1363
    function approveAndCall(address spender, uint256 value, bytes calldata data) external returns (bool) {
        _approve(msg.sender, spender, value);
        return _approved(spender, value, data);
    }

    /// @inheritdoc IERC165
    function supportsInterface(bytes4 interfaceId) public view override(ERC165, IERC165) returns (bool) {
        return interfaceId == type(IERC1363).interfaceId || super.supportsInterface(interfaceId);
    }

    function _received(address from, address to, uint256 value, bytes calldata data) private returns (bool) {
        bytes4 selector = IERC1363Receiver.onTransferReceived.selector;
        bool accepted;
        // What `try` does, but an address without code is told apart, and calldata are copied once.
        assembly ("memory-safe") {
            let start := mload(0x40)
            mstore(start, selector)
            mstore(add(start, 4), caller())
            mstore(add(start, 36), from)
            mstore(add(start, 68), value)
            mstore(add(start, 100), 128)
            mstore(add(start, 132), data.length)
            calldatacopy(add(start, 164), data.offset, data.length)
            mstore(add(add(start, 164), data.length), 0)
            let length := add(164, and(add(data.length, 31), not(31)))
            let success := call(gas(), to, 0, start, length, 0, 32)
            if iszero(or(success, iszero(returndatasize()))) {
                returndatacopy(start, 0, returndatasize())
                revert(start, returndatasize())
            }
            accepted := and(success, and(gt(returndatasize(), 31), eq(mload(0), selector)))
        }
        if (!accepted) revert ERC1363Utils.ERC1363InvalidReceiver(to);
        return true;
    }

    function _approved(address spender, uint256 value, bytes calldata data) private returns (bool) {
        if (spender.code.length == 0) revert ERC1363Utils.ERC1363InvalidSpender(spender);
        bytes4 answer = IERC1363Spender(spender).onApprovalReceived(msg.sender, value, data);
        if (answer != IERC1363Spender.onApprovalReceived.selector) revert ERC1363Utils.ERC1363InvalidSpender(spender);
        return true;
    }

    function _nothing() private pure returns (bytes calldata) {
        return msg.data[:0];
    }
}
