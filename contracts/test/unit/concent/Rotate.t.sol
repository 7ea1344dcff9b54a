// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {IConcentDeposit} from "../../../src/interfaces/IConcentDeposit.sol";
import {RotationTest} from "./RotationTest.sol";

contract RotateTest is RotationTest {
    function test_refuses_where_nothing_is_announced() public {
        vm.expectRevert(IConcentDeposit.NotProposed.selector);
        concent.rotate(nextAddresses, 3);
        vm.expectRevert(IConcentDeposit.NotProposed.selector);
        concent.rotate(new address[](0), 0);
    }

    function testFuzz_refuses_other_keys_than_announced(uint256 threshold) public {
        vm.assume(threshold != 3);
        propose();
        skip(ROTATION_DELAY);
        vm.expectRevert(IConcentDeposit.NotProposed.selector);
        concent.rotate(nextAddresses, threshold);
        vm.expectRevert(IConcentDeposit.NotProposed.selector);
        concent.rotate(presentAddresses, 3);
    }

    function testFuzz_refuses_before_the_delay_is_over(uint256 wait) public {
        uint256 activeAt = vm.getBlockTimestamp() + ROTATION_DELAY;
        propose();
        skip(bound(wait, 0, ROTATION_DELAY - 1));
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.TooEarly.selector, activeAt, vm.getBlockTimestamp()));
        concent.rotate(nextAddresses, 3);
    }

    function test_refuses_a_second_time() public {
        propose();
        skip(ROTATION_DELAY);
        concent.rotate(nextAddresses, 3);
        vm.expectRevert(IConcentDeposit.NotProposed.selector);
        concent.rotate(nextAddresses, 3);
    }

    function testFuzz_makes_the_announced_keys_the_present_ones(uint256 late, address caller) public {
        propose();
        skip(bound(late, ROTATION_DELAY, 100 days));
        vm.expectEmit(address(concent));
        emit IConcentDeposit.Rotated(nextAddresses, 3);
        vm.prank(caller);
        concent.rotate(nextAddresses, 3);
        assertKeys(nextAddresses, 3);
        assertRotation(1, 0, 0);
    }

    /// Nothing that the old keys signed is worth anything then, and three of the four new ones rule.
    function test_old_keys_do_not_rule_any_more() public {
        IConcentDeposit.Promise memory p = promised();
        p.deadline += ROTATION_DELAY;
        (bytes32 r, bytes32 vs) = signPromise(requestorKey, p);
        bytes32 digest = concent.rulingDigest(requestor, concent.promiseDigest(p), AMOUNT, EVIDENCE);
        bytes memory old = packed(present, digest);
        propose();
        skip(ROTATION_DELAY);
        uint256 snapshot = vm.snapshotState();
        concent.rule(p, r, vs, AMOUNT, EVIDENCE, old);
        vm.revertToState(snapshot);

        concent.rotate(nextAddresses, 3);
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.TooFewSignatures.selector, 0, 3));
        concent.rule(p, r, vs, AMOUNT, EVIDENCE, old);
        bytes memory few = packed(two(next), digest);
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.TooFewSignatures.selector, 2, 3));
        concent.rule(p, r, vs, AMOUNT, EVIDENCE, few);
        concent.rule(p, r, vs, AMOUNT, EVIDENCE, packed(next, digest));
        assertAccount(requestor, DEPOSIT - AMOUNT, 0, 0);
    }

    /// A key that stays is still one, and one that goes is none, whatever their order was.
    function test_keys_can_stay() public {
        address[] memory mixed = new address[](2);
        uint256[] memory mixedKeys = new uint256[](2);
        bool inOrder = presentAddresses[2] < nextAddresses[0];
        (mixed[0], mixed[1]) =
            inOrder ? (presentAddresses[2], nextAddresses[0]) : (nextAddresses[0], presentAddresses[2]);
        (mixedKeys[0], mixedKeys[1]) = inOrder ? (present[2], next[0]) : (next[0], present[2]);
        concent.proposeRotation(mixed, 2, signedProposal(two(present), mixed, 2, 0));
        skip(ROTATION_DELAY);
        concent.rotate(mixed, 2);
        bytes memory gone = signedProposal(two(present), nextAddresses, 3, 1);
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.TooFewSignatures.selector, 0, 2));
        concent.proposeRotation(nextAddresses, 3, gone);
        concent.proposeRotation(nextAddresses, 3, signedProposal(mixedKeys, nextAddresses, 3, 1));
    }

    /// New keys must not come with a new daily limit.
    function test_what_was_moved_today_is_kept() public {
        IConcentDeposit.Promise memory p = promised();
        p.deadline += ROTATION_DELAY;
        propose();
        skip(ROTATION_DELAY);
        (bytes32 r, bytes32 vs) = signPromise(requestorKey, p);
        bytes32 digest = concent.rulingDigest(requestor, concent.promiseDigest(p), AMOUNT, EVIDENCE);
        concent.rule(p, r, vs, AMOUNT, EVIDENCE, packed(two(present), digest));
        concent.rotate(nextAddresses, 3);
        assertEq(concent.movedToday(), AMOUNT);
    }

    /// The story the delay is for: a requestor that does not trust the new keys leaves, and the worst a provider in
    /// league with them can do, a claim in the last second that is contested in the last second, is over before.
    function test_who_does_not_trust_new_keys_can_leave_before_they_count() public {
        IConcentDeposit.Promise memory p = promised();
        p.deadline += WITHDRAW_DELAY;
        propose();
        vm.prank(requestor);
        concent.unlock();
        uint256 announced = vm.getBlockTimestamp();
        vm.warp(announced + WITHDRAW_DELAY - 1);
        claim(p, AMOUNT);
        skip(1);
        vm.prank(requestor);
        concent.withdraw(DEPOSIT - AMOUNT - BOND);
        vm.warp(announced + WITHDRAW_DELAY + CONTEST_WINDOW - 2);
        contest(p);
        skip(RULING_WINDOW);
        assertLt(vm.getBlockTimestamp(), announced + ROTATION_DELAY, "the new keys are not there yet");
        vm.expectPartialRevert(IConcentDeposit.TooEarly.selector);
        concent.rotate(nextAddresses, 3);

        concent.settle(requestor, p);
        vm.prank(requestor);
        concent.withdraw(AMOUNT + BOND);
        assertAccount(requestor, 0, 0, announced + WITHDRAW_DELAY);
    }
}
