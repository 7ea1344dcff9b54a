// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {IAppRegistry} from "../../../src/interfaces/IAppRegistry.sol";
import {AppsTest} from "../../AppsTest.sol";

contract DescribeTest is AppsTest {
    function testFuzz_refuses_what_the_caller_did_not_publish(address caller, bytes32 module) public {
        vm.assume(caller != author);
        vm.expectRevert(abi.encodeWithSelector(IAppRegistry.NotPublished.selector, caller, module));
        vm.prank(caller);
        registry.describe(module, METADATA);
    }

    function test_refuses_what_was_retired() public {
        vm.startPrank(author);
        registry.retire(MODULE);
        vm.expectRevert(abi.encodeWithSelector(IAppRegistry.NotPublished.selector, author, MODULE));
        registry.describe(MODULE, METADATA);
    }

    function test_refuses_the_zero_digest() public {
        vm.expectRevert(IAppRegistry.ZeroDigest.selector);
        vm.prank(author);
        registry.describe(MODULE, 0);
    }

    function testFuzz_describes_anew(bytes32 metadata) public {
        vm.assume(metadata != 0);
        vm.startPrank(author);
        registry.setFee(MODULE, FEE + 1);
        vm.expectEmit(address(registry));
        emit IAppRegistry.Published(author, MODULE, metadata);
        registry.describe(MODULE, metadata);
        assertApp(author, metadata, FEE, FEE + 1, vm.getBlockTimestamp() + NOTICE, true);
    }
}
