// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC1363Receiver} from "@openzeppelin/contracts/interfaces/IERC1363Receiver.sol";

/// An ERC-20 and nothing more: neither permit nor transferAndCall.
contract PlainToken is ERC20("Plain", "PLN") {
    constructor(address holder, uint256 supply) {
        _mint(holder, supply);
    }
}

/// Keeps one percent of every transfer.
contract FeeToken is ERC20("Fee", "FEE") {
    constructor(address holder, uint256 supply) {
        _mint(holder, supply);
    }

    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (from != address(0) && to != address(0)) super._update(to, address(0), value / 100);
    }
}

/// Gives its holder a turn before the tokens move, as ERC-777 did.
contract HookToken is ERC20("Hook", "HOK") {
    constructor(address holder, uint256 supply) {
        _mint(holder, supply);
    }

    function _update(address from, address to, uint256 value) internal override {
        if (from.code.length != 0) IHolder(from).beforeTokens();
        super._update(from, to, value);
    }
}

interface IHolder {
    function beforeTokens() external;
}

/// The old way: `transfer` and `transferFrom` return nothing.
contract NoReturnToken {
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;

    constructor(address holder, uint256 supply) {
        balanceOf[holder] = supply;
    }

    function approve(address spender, uint256 value) external {
        allowance[msg.sender][spender] = value;
    }

    function transfer(address to, uint256 value) external {
        balanceOf[msg.sender] -= value;
        balanceOf[to] += value;
    }

    function transferFrom(address from, address to, uint256 value) external {
        allowance[from][msg.sender] -= value;
        balanceOf[from] -= value;
        balanceOf[to] += value;
    }
}

/// Says false instead of reverting, once it is told to.
contract FalseToken is ERC20("False", "FLS") {
    bool public refuses;

    constructor(address holder, uint256 supply) {
        _mint(holder, supply);
    }

    function refuse() external {
        refuses = true;
    }

    function transfer(address to, uint256 value) public override returns (bool) {
        return !refuses && super.transfer(to, value);
    }

    function transferFrom(address from, address to, uint256 value) public override returns (bool) {
        return !refuses && super.transferFrom(from, to, value);
    }
}

/// Takes what `transferAndCall` brings, and notes it; or not.
contract Receiver is IERC1363Receiver {
    error Unwelcome(uint256 value);

    bytes4 private immutable _ANSWER;
    uint256 public immutable REFUSED;
    bytes public heard;

    constructor(bytes4 answer, uint256 refused) {
        _ANSWER = answer;
        REFUSED = refused;
    }

    function onTransferReceived(address operator, address from, uint256 value, bytes calldata data)
        external
        returns (bytes4)
    {
        if (value == REFUSED) revert Unwelcome(value);
        heard = abi.encode(msg.sender, operator, from, value, data);
        return _ANSWER;
    }

    function onApprovalReceived(address owner, uint256 value, bytes calldata data) external returns (bytes4) {
        if (value == REFUSED) revert Unwelcome(value);
        heard = abi.encode(msg.sender, owner, value, data);
        return _ANSWER;
    }
}
