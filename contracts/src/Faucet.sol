// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IFaucet} from "./interfaces/IFaucet.sol";

/// @title A faucet for test networks
contract Faucet is IFaucet {
    using SafeERC20 for IERC20;

    /// @inheritdoc IFaucet
    IERC20 public immutable TOKEN;
    /// @inheritdoc IFaucet
    uint256 public immutable DRIP;
    /// @inheritdoc IFaucet
    uint256 public immutable INTERVAL;

    /// @inheritdoc IFaucet
    mapping(address to => uint256 time) public nextDripAt;

    /// @param token What it gives. Must be a contract.
    /// @param drip_ How much at a time, in wei of the token. Not zero.
    /// @param interval Seconds an address must wait between two drips. Not zero.
    constructor(IERC20 token, uint256 drip_, uint256 interval) {
        if (address(token).code.length == 0) revert NotAToken(address(token));
        if (drip_ == 0 || interval == 0) revert NoLimit(drip_, interval);
        TOKEN = token;
        DRIP = drip_;
        INTERVAL = interval;
    }

    /// @inheritdoc IFaucet
    function drip(address to) external {
        uint256 nextAt = nextDripAt[to];
        if (block.timestamp < nextAt) revert TooSoon(to, nextAt, block.timestamp);
        uint256 held = TOKEN.balanceOf(address(this));
        if (held < DRIP) revert Dry(held, DRIP);

        nextDripAt[to] = block.timestamp + INTERVAL;
        emit Dripped(to, DRIP);

        TOKEN.safeTransfer(to, DRIP);
    }
}
