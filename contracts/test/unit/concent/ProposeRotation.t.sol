// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {IConcentDeposit} from "../../../src/interfaces/IConcentDeposit.sol";
import {RotationTest} from "./RotationTest.sol";

contract ProposeRotationTest is RotationTest {
    function test_refuses_keys_that_are_none_too_many_zero_twice_or_out_of_order() public {
        (, address[] memory tooMany) = keysOf("successor", 17);
        refusesKeys(new address[](0), 1);
        refusesKeys(tooMany, 1);
        refusesKeys(one(address(0)), 1);
        refusesKeys(nextAddresses, 0);
        refusesKeys(nextAddresses, 5);
        (nextAddresses[0], nextAddresses[1]) = (nextAddresses[1], nextAddresses[0]);
        refusesKeys(nextAddresses, 1);
        nextAddresses[0] = nextAddresses[1];
        refusesKeys(nextAddresses, 1);
    }

    function test_refuses_too_few_of_the_present_keys() public {
        refuses(packed(present[1], concent.rotationDigest(nextAddresses, 3, 0)), 1);
        refuses("", 0);
    }

    function test_refuses_the_next_keys_own_signatures() public {
        refuses(signedProposal(next, nextAddresses, 3, 0), 0);
    }

    function testFuzz_refuses_signatures_of_another_number(uint256 nonce) public {
        vm.assume(nonce != 0);
        refuses(signedProposal(two(present), nextAddresses, 3, nonce), 0);
    }

    function test_refuses_signatures_of_other_keys_or_another_threshold() public {
        refuses(signedProposal(two(present), nextAddresses, 2, 0), 0);
        refuses(signedProposal(two(present), presentAddresses, 3, 0), 0);
        refuses(signedCancel(two(present), 0), 0);
    }

    /// An old announcement must not come back: not after it was cancelled, replaced, or made true.
    function test_refuses_an_old_announcement() public {
        bytes memory old = signedProposal(two(present), nextAddresses, 3, 0);
        propose();
        refuses(old, 0);
        concent.cancelRotation(signedCancel(two(present), 1));
        refuses(old, 0);
        concent.proposeRotation(presentAddresses, 1, signedProposal(two(present), presentAddresses, 1, 2));
        refuses(old, 0);
        skip(ROTATION_DELAY);
        concent.rotate(presentAddresses, 1);
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.TooFewSignatures.selector, 0, 1));
        concent.proposeRotation(nextAddresses, 3, old);
    }

    function testFuzz_announces(uint256 time, address caller) public {
        vm.warp(bound(time, 1, type(uint32).max));
        uint40 activeAt = uint40(vm.getBlockTimestamp() + ROTATION_DELAY);
        bytes memory signatures = signedProposal(two(present), nextAddresses, 3, 0);
        vm.expectEmit(address(concent));
        emit IConcentDeposit.RotationProposed(nextAddresses, 3, activeAt);
        vm.prank(caller);
        concent.proposeRotation(nextAddresses, 3, signatures);
        assertRotation(1, keccak256(abi.encode(nextAddresses, uint256(3))), activeAt);
        assertKeys(presentAddresses, 2);
    }

    /// The delay of the new one counts, and the old one is gone.
    function test_replaces_what_was_announced() public {
        propose();
        skip(ROTATION_DELAY - 1);
        bytes memory signatures = signedProposal(two(present), nextAddresses, 4, 1);
        concent.proposeRotation(nextAddresses, 4, signatures);
        uint256 activeAt = vm.getBlockTimestamp() + ROTATION_DELAY;
        assertRotation(2, keccak256(abi.encode(nextAddresses, uint256(4))), activeAt);
        skip(1);
        vm.expectRevert(IConcentDeposit.NotProposed.selector);
        concent.rotate(nextAddresses, 3);
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.TooEarly.selector, activeAt, vm.getBlockTimestamp()));
        concent.rotate(nextAddresses, 4);
        vm.warp(activeAt);
        concent.rotate(nextAddresses, 4);
        assertKeys(nextAddresses, 4);
    }

    function refuses(bytes memory signatures, uint256 got) private {
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.TooFewSignatures.selector, got, 2));
        concent.proposeRotation(nextAddresses, 3, signatures);
    }

    function refusesKeys(address[] memory keys, uint256 threshold) private {
        bytes memory signatures = signedProposal(two(present), keys, threshold, 0);
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.BadKeys.selector, keys.length, threshold));
        concent.proposeRotation(keys, threshold, signatures);
    }
}
