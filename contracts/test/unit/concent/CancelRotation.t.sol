// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {IConcentDeposit} from "../../../src/interfaces/IConcentDeposit.sol";
import {RotationTest} from "./RotationTest.sol";

contract CancelRotationTest is RotationTest {
    function test_refuses_where_nothing_is_announced() public {
        bytes memory signatures = signedCancel(two(present), 0);
        vm.expectRevert(IConcentDeposit.NotProposed.selector);
        concent.cancelRotation(signatures);
    }

    function testFuzz_refuses_signatures_of_another_number(uint256 nonce) public {
        vm.assume(nonce != 1);
        propose();
        refuses(signedCancel(two(present), nonce), 0);
    }

    function test_refuses_too_few_of_the_present_keys() public {
        propose();
        refuses(packed(present[0], concent.cancelRotationDigest(1)), 1);
        refuses(signedCancel(next, 1), 0);
    }

    function test_refuses_a_second_time() public {
        propose();
        bytes memory signatures = signedCancel(two(present), 1);
        concent.cancelRotation(signatures);
        vm.expectRevert(IConcentDeposit.NotProposed.selector);
        concent.cancelRotation(signatures);
        propose();
        refuses(signatures, 0);
    }

    /// Also when the delay is over, as long as nobody made it true.
    function testFuzz_takes_it_back(uint256 wait, address caller) public {
        propose();
        skip(bound(wait, 0, 100 days));
        bytes memory signatures = signedCancel(two(present), 1);
        vm.expectEmit(address(concent));
        emit IConcentDeposit.RotationCancelled(1);
        vm.prank(caller);
        concent.cancelRotation(signatures);
        assertRotation(2, 0, 0);
        assertKeys(presentAddresses, 2);
        skip(ROTATION_DELAY);
        vm.expectRevert(IConcentDeposit.NotProposed.selector);
        concent.rotate(nextAddresses, 3);
    }

    function refuses(bytes memory signatures, uint256 got) private {
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.TooFewSignatures.selector, got, 2));
        concent.cancelRotation(signatures);
    }
}
