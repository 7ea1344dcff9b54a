// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {IAppRegistry} from "../../../src/interfaces/IAppRegistry.sol";
import {AppsTest} from "../../AppsTest.sol";

contract SetFeeTest is AppsTest {
    function testFuzz_refuses_what_the_caller_did_not_publish(address caller, bytes32 module, uint96 fee) public {
        vm.assume(caller != author);
        vm.expectRevert(abi.encodeWithSelector(IAppRegistry.NotPublished.selector, caller, module));
        vm.prank(caller);
        registry.setFee(module, fee);
    }

    function test_refuses_what_was_retired() public {
        vm.startPrank(author);
        registry.retire(MODULE);
        vm.expectRevert(abi.encodeWithSelector(IAppRegistry.NotPublished.selector, author, MODULE));
        registry.setFee(MODULE, FEE);
    }

    function testFuzz_lowers_at_once(uint96 fee) public {
        fee = uint96(bound(fee, 0, FEE));
        vm.expectEmit(address(registry));
        emit IAppRegistry.FeeSet(author, MODULE, fee, uint40(block.timestamp));
        vm.prank(author);
        registry.setFee(MODULE, fee);
        assertApp(author, METADATA, fee, fee, 0, true);
    }

    function testFuzz_raises_with_notice(uint96 fee, uint256 wait) public {
        fee = uint96(bound(fee, FEE + 1, type(uint96).max));
        uint256 activeAt = vm.getBlockTimestamp() + NOTICE;
        vm.expectEmit(address(registry));
        emit IAppRegistry.FeeSet(author, MODULE, fee, uint40(activeAt));
        vm.prank(author);
        registry.setFee(MODULE, fee);
        skip(bound(wait, 0, NOTICE - 1));
        assertApp(author, METADATA, FEE, fee, activeAt, true);
        vm.warp(activeAt);
        assertApp(author, METADATA, fee, fee, 0, true);
    }

    /// A second rise waits its own notice; whatever had come by then stays.
    function testFuzz_a_later_rise_replaces_one_that_has_not_come(uint256 wait, uint96 first, uint96 second) public {
        first = uint96(bound(first, FEE + 1, type(uint96).max - 1));
        second = uint96(bound(second, first + 1, type(uint96).max));
        vm.startPrank(author);
        registry.setFee(MODULE, first);
        wait = bound(wait, 0, 2 * uint256(NOTICE));
        skip(wait);
        registry.setFee(MODULE, second);
        assertApp(author, METADATA, wait < NOTICE ? FEE : first, second, vm.getBlockTimestamp() + NOTICE, true);
    }

    function testFuzz_lowering_takes_an_announced_rise_back(uint96 raised, uint96 fee) public {
        raised = uint96(bound(raised, FEE + 1, type(uint96).max));
        fee = uint96(bound(fee, 0, FEE));
        vm.startPrank(author);
        registry.setFee(MODULE, raised);
        registry.setFee(MODULE, fee);
        assertApp(author, METADATA, fee, fee, 0, true);
        skip(NOTICE);
        assertApp(author, METADATA, fee, fee, 0, true);
    }
}
