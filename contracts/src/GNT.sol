// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {ERC1363} from "@openzeppelin/contracts/token/ERC20/extensions/ERC1363.sol";
import {IGNT} from "./interfaces/IGNT.sol";

/// @title The Golem Network Token of test networks
/// @notice A fixed supply of 1e27 wei with 18 decimals. No owner, mint, burn, fee, hook or blacklist.
contract GNT is ERC20, ERC20Permit, ERC1363, IGNT {
    uint256 private constant SUPPLY = 1_000_000_000 ether;

    /// The ledger is here and not in `ERC20`, whose own is private, so that a batch can debit its sender once.
    mapping(address holder => uint256) private _held;

    /// @param holder Gets the whole supply.
    constructor(address holder) ERC20("Golem Network Token", "GNT") ERC20Permit("Golem Network Token") {
        if (holder == address(0)) revert ERC20InvalidReceiver(holder);
        _held[holder] = SUPPLY;
        emit Transfer(address(0), holder, SUPPLY);
    }

    /// @inheritdoc IGNT
    function batchTransfer(bytes32[] calldata payments) external returns (bool) {
        uint256 total;
        for (uint256 i; i < payments.length; ++i) {
            uint256 word = uint256(payments[i]);
            address to = address(uint160(word));
            if (to == address(0) || to == msg.sender) revert ERC20InvalidReceiver(to);
            // Neither sum can wrap: an amount has 96 bits, and the sender must hold `total` of a supply of 90 bits.
            unchecked {
                total += word >> 160;
                _held[to] += word >> 160;
            }
            emit Transfer(msg.sender, to, word >> 160);
        }
        uint256 held = _held[msg.sender];
        if (held < total) revert ERC20InsufficientBalance(msg.sender, held, total);
        unchecked {
            _held[msg.sender] = held - total;
        }
        return true;
    }

    /// @inheritdoc IERC20
    function balanceOf(address holder) public view override(ERC20, IERC20) returns (uint256) {
        return _held[holder];
    }

    /// @inheritdoc IERC20
    function totalSupply() public pure override(ERC20, IERC20) returns (uint256) {
        return SUPPLY;
    }

    /// @inheritdoc IERC20Permit
    function nonces(address owner) public view override(ERC20Permit, IERC20Permit) returns (uint256) {
        return super.nonces(owner);
    }

    /// Only moves: nothing here calls `ERC20._mint` or `_burn`, and their zero addresses never get this far.
    function _update(address from, address to, uint256 value) internal override {
        uint256 held = _held[from];
        if (held < value) revert ERC20InsufficientBalance(from, held, value);
        // Cannot wrap: `held >= value`, and all balances together are the supply.
        unchecked {
            _held[from] = held - value;
            _held[to] += value;
        }
        emit Transfer(from, to, value);
    }
}
