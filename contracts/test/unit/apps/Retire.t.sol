// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {IAppRegistry} from "../../../src/interfaces/IAppRegistry.sol";
import {AppsTest} from "../../AppsTest.sol";

contract RetireTest is AppsTest {
    function testFuzz_refuses_what_the_caller_did_not_publish(address caller, bytes32 module) public {
        vm.assume(caller != author);
        vm.expectRevert(abi.encodeWithSelector(IAppRegistry.NotPublished.selector, caller, module));
        vm.prank(caller);
        registry.retire(module);
    }

    function test_refuses_a_second_time() public {
        vm.startPrank(author);
        registry.retire(MODULE);
        vm.expectRevert(abi.encodeWithSelector(IAppRegistry.NotPublished.selector, author, MODULE));
        registry.retire(MODULE);
    }

    /// The rest is still to be read, for agreements that stand.
    function test_takes_it_off_the_list() public {
        vm.expectEmit(address(registry));
        emit IAppRegistry.Retired(author, MODULE);
        vm.prank(author);
        registry.retire(MODULE);
        assertApp(author, METADATA, FEE, FEE, 0, false);
    }

    function testFuzz_touches_nobody_elses(address other) public {
        vm.assume(other != author);
        vm.prank(other);
        registry.publish(MODULE, METADATA, FEE);
        vm.prank(author);
        registry.retire(MODULE);
        assertApp(other, METADATA, FEE, FEE, 0, true);
    }
}
