// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title Gives test tokens away: a fixed amount per address and time
/// @notice Filled by a plain transfer from anybody; nobody can take that back except drip by drip.
/// @dev The limit is per address, and addresses are free: it spares the faucet impatience, not determination.
interface IFaucet {
    /// @notice `to` got `amount`.
    event Dripped(address indexed to, uint256 amount);

    /// @notice `to` has to wait until `nextAt`; it is `currentTime` now.
    error TooSoon(address to, uint256 nextAt, uint256 currentTime);
    /// @notice The faucet holds `held`, less than one drip of `drip`. Somebody has to fill it.
    error Dry(uint256 held, uint256 drip);
    /// @notice There is no contract at `token`.
    error NotAToken(address token);
    /// @notice A drip or an interval of zero.
    error NoLimit(uint256 drip, uint256 interval);

    /// @notice Gives `DRIP` to `to`. Anybody may call it for anybody.
    function drip(address to) external;

    /// @notice When `to` can have the next drip, in seconds of chain time; 0 if it never had one.
    function nextDripAt(address to) external view returns (uint256);

    /// @notice What the faucet gives.
    function TOKEN() external view returns (IERC20);

    /// @notice How much at a time, in wei of the token.
    function DRIP() external view returns (uint256);

    /// @notice Seconds an address must wait between two drips.
    function INTERVAL() external view returns (uint256);
}
