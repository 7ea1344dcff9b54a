// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {ERC1363} from "./ERC1363.sol";
import {IGNT} from "./interfaces/IGNT.sol";

/// @title The Golem Network Token of test networks
/// @notice A fixed supply of 1e27 wei with 18 decimals. No owner, mint, burn, fee, hook or blacklist.
contract GNT is ERC20, ERC20Permit, ERC1363, IGNT {
    /// What a holder has. In a struct, to find its place once and then read and write it.
    struct Account {
        uint256 held;
    }

    uint256 private constant SUPPLY = 1_000_000_000 ether;

    /// The ledger is here and not in `ERC20`, whose own is private, so that a batch can debit its sender once.
    mapping(address holder => Account) private _accounts;

    /// @param holder Gets the whole supply.
    constructor(address holder) ERC20("Golem Network Token", "GNT") ERC20Permit("Golem Network Token") {
        if (holder == address(0)) revert ERC20InvalidReceiver(holder);
        _accounts[holder].held = SUPPLY;
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
                _accounts[to].held += word >> 160;
            }
            emit Transfer(msg.sender, to, word >> 160);
        }
        Account storage sender = _accounts[msg.sender];
        uint256 held = sender.held;
        if (held < total) revert ERC20InsufficientBalance(msg.sender, held, total);
        unchecked {
            sender.held = held - total;
        }
        return true;
    }

    /// @inheritdoc IERC20
    function transfer(address to, uint256 value) public override(ERC20, IERC20) returns (bool) {
        if (to == address(0)) revert ERC20InvalidReceiver(to);
        _update(msg.sender, to, value);
        return true;
    }

    /// @inheritdoc IERC20
    function balanceOf(address holder) public view override(ERC20, IERC20) returns (uint256) {
        return _accounts[holder].held;
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
        Account storage sender = _accounts[from];
        uint256 held = sender.held;
        if (held < value) revert ERC20InsufficientBalance(from, held, value);
        // Cannot wrap: `held >= value`, and all balances together are the supply.
        unchecked {
            sender.held = held - value;
            _accounts[to].held += value;
        }
        emit Transfer(from, to, value);
    }
}
