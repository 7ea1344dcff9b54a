// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {IAppRegistry} from "../../../src/interfaces/IAppRegistry.sol";
import {AppsTest} from "../../AppsTest.sol";

contract AppTest is AppsTest {
    function testFuzz_is_all_zero_where_nothing_was_published(address whose, bytes32 module) public view {
        vm.assume(whose != author || module != MODULE);
        IAppRegistry.App memory a = registry.app(whose, module);
        assertEq(abi.encode(a), abi.encode(IAppRegistry.App(0, 0, 0, 0, false)));
    }

    function testFuzz_says_the_fee_of_its_time(uint96 fee, uint256 time) public {
        fee = uint96(bound(fee, FEE + 1, type(uint96).max));
        vm.prank(author);
        registry.setFee(MODULE, fee);
        uint256 activeAt = vm.getBlockTimestamp() + NOTICE;
        vm.warp(bound(time, vm.getBlockTimestamp(), 10 * activeAt));
        assertEq(registry.app(author, MODULE).fee, vm.getBlockTimestamp() < activeAt ? FEE : fee);
    }
}
