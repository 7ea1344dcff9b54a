// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {IConcentDeposit} from "../../../src/interfaces/IConcentDeposit.sol";
import {ConcentTest} from "../../ConcentTest.sol";

contract SettleTest is ConcentTest {
    IConcentDeposit.Promise private p;
    bytes32 private digest;

    function setUp() public override {
        super.setUp();
        p = promised();
        digest = concent.promiseDigest(p);
    }

    function testFuzz_refuses_what_is_not_claimed(address whose, uint256 wait) public {
        skip(bound(wait, 0, 100 days));
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.NoClaim.selector, whose, digest));
        concent.settle(whose, p);
    }

    /// Who is paid is in the promise; with another provider in it, it is another promise.
    function testFuzz_refuses_another_provider_and_another_requestor(address other) public {
        vm.assume(other != provider && other != requestor);
        claim(p, AMOUNT);
        skip(CONTEST_WINDOW);
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.NoClaim.selector, other, digest));
        concent.settle(other, p);
        p.provider = other;
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.NoClaim.selector, requestor, concent.promiseDigest(p)));
        concent.settle(requestor, p);
    }

    function testFuzz_refuses_while_the_requestor_can_contest(uint256 wait) public {
        uint256 due = vm.getBlockTimestamp() + CONTEST_WINDOW;
        claim(p, AMOUNT);
        skip(bound(wait, 0, CONTEST_WINDOW - 1));
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.TooEarly.selector, due, vm.getBlockTimestamp()));
        concent.settle(requestor, p);
    }

    function testFuzz_refuses_while_Concent_can_rule(uint256 wait) public {
        claim(p, AMOUNT);
        contest(p);
        uint256 due = vm.getBlockTimestamp() + RULING_WINDOW;
        skip(bound(wait, 0, RULING_WINDOW - 1));
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.TooEarly.selector, due, vm.getBlockTimestamp()));
        concent.settle(requestor, p);
    }

    function test_refuses_a_second_time() public {
        claim(p, AMOUNT);
        skip(CONTEST_WINDOW);
        concent.settle(requestor, p);
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.NoClaim.selector, requestor, digest));
        concent.settle(requestor, p);
    }

    function testFuzz_pays_what_nobody_contests(uint96 amount, uint256 late, address caller) public {
        amount = uint96(bound(amount, 1, AMOUNT));
        claim(p, amount);
        skip(bound(late, CONTEST_WINDOW, 100 days));
        vm.expectEmit(address(concent));
        emit IConcentDeposit.Settled(requestor, provider, digest, amount);
        vm.prank(caller);
        concent.settle(requestor, p);
        assertAccount(requestor, DEPOSIT - amount, 0, 0);
        assertAccount(provider, BOND, 0, 0);
        assertEq(gnt.balanceOf(provider), FUNDS - BOND + amount);
        assertEq(gnt.balanceOf(address(concent)), DEPOSIT - amount + BOND);
        assertNoClaim(p);
        assertEq(concent.movedToday(), 0, "rulings alone count");
    }

    /// Concent is silent: what is contested is as before the claim, but for the promise.
    function testFuzz_lapses_what_Concent_does_not_rule_on(uint96 amount, uint256 late, address caller) public {
        amount = uint96(bound(amount, 1, AMOUNT));
        claim(p, amount);
        contest(p);
        skip(bound(late, RULING_WINDOW, 100 days));
        vm.expectEmit(address(concent));
        emit IConcentDeposit.Lapsed(requestor, provider, digest);
        vm.prank(caller);
        concent.settle(requestor, p);
        assertAccount(requestor, DEPOSIT, 0, 0);
        assertAccount(provider, BOND, 0, 0);
        assertEq(gnt.balanceOf(address(concent)), DEPOSIT + BOND);
        assertNoClaim(p);
        assertTrue(concent.isUsedUp(requestor, provider, NONCE));
    }

    function test_moves_nobodys_times() public {
        vm.prank(requestor);
        concent.unlock();
        vm.prank(provider);
        concent.unlock();
        uint256 unlockAt = vm.getBlockTimestamp() + WITHDRAW_DELAY;
        claim(p, AMOUNT);
        skip(CONTEST_WINDOW);
        concent.settle(requestor, p);
        assertAccount(requestor, DEPOSIT - AMOUNT, 0, unlockAt);
        assertAccount(provider, BOND, 0, unlockAt);
    }
}
