// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {IConcentDeposit} from "../../../src/interfaces/IConcentDeposit.sol";
import {ConcentTest} from "../../ConcentTest.sol";

contract ContestTest is ConcentTest {
    IConcentDeposit.Promise private p;
    bytes32 private digest;

    function setUp() public override {
        super.setUp();
        p = promised();
        digest = concent.promiseDigest(p);
    }

    function testFuzz_refuses_anybody_but_the_requestor(address caller) public {
        vm.assume(caller != requestor);
        claim(p, AMOUNT);
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.NoClaim.selector, caller, digest));
        vm.prank(caller);
        concent.contest(digest);
    }

    function testFuzz_refuses_what_is_not_claimed_or_over(bytes32 other) public {
        vm.assume(other != digest);
        claim(p, AMOUNT);
        refuses(other, abi.encodeWithSelector(IConcentDeposit.NoClaim.selector, requestor, other));
        rule(p, AMOUNT);
        refuses(digest, abi.encodeWithSelector(IConcentDeposit.NoClaim.selector, requestor, digest));
    }

    function test_refuses_a_second_time() public {
        claim(p, AMOUNT);
        contest(p);
        uint256 due = vm.getBlockTimestamp() + RULING_WINDOW;
        refuses(digest, abi.encodeWithSelector(IConcentDeposit.AlreadyContested.selector, due));
        vm.warp(due);
        refuses(digest, abi.encodeWithSelector(IConcentDeposit.AlreadyContested.selector, due));
    }

    function testFuzz_refuses_after_the_window(uint256 late) public {
        claim(p, AMOUNT);
        uint256 due = vm.getBlockTimestamp() + CONTEST_WINDOW;
        vm.warp(due + bound(late, 0, 10 * uint256(CONTEST_WINDOW)));
        refuses(digest, abi.encodeWithSelector(IConcentDeposit.TooLate.selector, due, vm.getBlockTimestamp()));
    }

    function testFuzz_refuses_without_a_bond(uint96 free) public {
        free = uint96(bound(free, 0, BOND - 1));
        p.amount = DEPOSIT;
        digest = concent.promiseDigest(p);
        claim(p, DEPOSIT - free);
        refuses(digest, abi.encodeWithSelector(IConcentDeposit.TooLittle.selector, requestor, free, BOND));
    }

    function testFuzz_stakes_a_bond_and_waits_for_a_ruling(uint96 amount, uint256 wait) public {
        amount = uint96(bound(amount, 1, AMOUNT));
        claim(p, amount);
        skip(bound(wait, 0, CONTEST_WINDOW - 1));
        uint40 due = uint40(vm.getBlockTimestamp() + RULING_WINDOW);
        vm.expectEmit(address(concent));
        emit IConcentDeposit.Contested(requestor, digest, due);
        contest(p);
        assertAccount(requestor, DEPOSIT, amount + BOND, 0);
        assertAccount(provider, BOND, BOND, 0);
        IConcentDeposit.Claim memory c = concent.claimOf(requestor, digest);
        assertEq(
            abi.encode(c),
            abi.encode(IConcentDeposit.Claim(amount, amount, due, IConcentDeposit.Stage.Contested)),
            "claim"
        );
    }

    function test_an_unlocked_account_contests_and_keeps_its_time() public {
        uint256 unlockAt = vm.getBlockTimestamp() + WITHDRAW_DELAY;
        vm.prank(requestor);
        concent.unlock();
        claim(p, AMOUNT);
        contest(p);
        assertAccount(requestor, DEPOSIT, AMOUNT + BOND, unlockAt);
    }

    function refuses(bytes32 which, bytes memory reason) private {
        vm.expectRevert(reason);
        vm.prank(requestor);
        concent.contest(which);
    }
}
