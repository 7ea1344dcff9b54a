// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {IAppRegistry} from "../../../src/interfaces/IAppRegistry.sol";
import {AppsTest} from "../../AppsTest.sol";

contract PublishTest is AppsTest {
    function testFuzz_refuses_zero_digests(bytes32 digest, uint96 fee) public {
        vm.startPrank(stranger);
        vm.expectRevert(IAppRegistry.ZeroDigest.selector);
        registry.publish(0, digest, fee);
        vm.expectRevert(IAppRegistry.ZeroDigest.selector);
        registry.publish(digest, 0, fee);
    }

    function testFuzz_refuses_a_second_time(uint96 fee) public {
        vm.expectRevert(abi.encodeWithSelector(IAppRegistry.AlreadyPublished.selector, author, MODULE));
        vm.prank(author);
        registry.publish(MODULE, METADATA, fee);
    }

    function testFuzz_publishes_under_the_callers_name(bytes32 metadata, uint96 fee, address whose) public {
        vm.assume(whose != author && metadata != 0);
        vm.expectEmit(address(registry));
        emit IAppRegistry.Published(whose, MODULE, metadata);
        vm.expectEmit(address(registry));
        emit IAppRegistry.FeeSet(whose, MODULE, fee, uint40(block.timestamp));
        vm.prank(whose);
        registry.publish(MODULE, metadata, fee);
        assertApp(whose, metadata, fee, fee, 0, true);
        assertApp(author, METADATA, FEE, FEE, 0, true);
    }

    /// One that comes back is no way around the notice.
    function testFuzz_what_was_retired_comes_back_with_notice(uint96 fee, bytes32 metadata, uint256 wait) public {
        vm.assume(metadata != 0);
        fee = uint96(bound(fee, FEE + 1, type(uint96).max));
        vm.startPrank(author);
        registry.retire(MODULE);
        skip(bound(wait, 0, 100 days));
        uint256 activeAt = vm.getBlockTimestamp() + NOTICE;
        vm.expectEmit(address(registry));
        emit IAppRegistry.Published(author, MODULE, metadata);
        vm.expectEmit(address(registry));
        emit IAppRegistry.FeeSet(author, MODULE, fee, uint40(activeAt));
        registry.publish(MODULE, metadata, fee);
        assertApp(author, metadata, FEE, fee, activeAt, true);
    }

    function testFuzz_what_was_retired_comes_back_cheaper_at_once(uint96 fee) public {
        fee = uint96(bound(fee, 0, FEE));
        vm.startPrank(author);
        registry.retire(MODULE);
        registry.publish(MODULE, METADATA, fee);
        assertApp(author, METADATA, fee, fee, 0, true);
    }

    /// A rise that was announced before goes on from there, and no faster.
    function testFuzz_retiring_during_the_notice_shortens_nothing(uint256 wait, uint96 fee) public {
        fee = uint96(bound(fee, FEE + 2, type(uint96).max));
        vm.startPrank(author);
        registry.setFee(MODULE, FEE + 1);
        registry.retire(MODULE);
        wait = bound(wait, 0, 2 * uint256(NOTICE));
        skip(wait);
        registry.publish(MODULE, METADATA, fee);
        assertApp(author, METADATA, wait < NOTICE ? FEE : FEE + 1, fee, vm.getBlockTimestamp() + NOTICE, true);
    }
}
