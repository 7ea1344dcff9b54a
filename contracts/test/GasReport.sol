// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {console} from "forge-std/console.sol";

/// Says what the last call cost as a transaction, beside its bound, and fails above it.
abstract contract GasReport is Test {
    function atMost(string memory what, uint256 bound) internal {
        report(what, vm.lastCallGas().gasTotalUsed, bound);
    }

    function atMost(string memory what, uint256 bound, uint256 per) internal {
        report(what, (vm.lastCallGas().gasTotalUsed + per - 1) / per, bound);
    }

    function report(string memory what, uint256 gas, uint256 bound) internal {
        console.log(what, gas, bound);
        assertLe(gas, bound, what);
    }
}
