// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {ConcentTest} from "../ConcentTest.sol";
import {IConcentDeposit} from "../../src/interfaces/IConcentDeposit.sol";

/// Each window to the second: what is possible in its last one is not in the next, where the other thing is.
contract ConcentWindowsTest is ConcentTest {
    IConcentDeposit.Promise private p;
    uint256 private start;

    function setUp() public override {
        super.setUp();
        p = promised();
        start = vm.getBlockTimestamp();
    }

    function test_claiming_ends_after_the_deadline() public {
        (bytes32 r, bytes32 vs) = signPromise(requestorKey, p);
        vm.warp(uint256(p.deadline) + 1);
        vm.prank(provider);
        vm.expectPartialRevert(IConcentDeposit.TooLate.selector);
        concent.claim(p, r, vs, AMOUNT, AMOUNT);
        vm.warp(p.deadline);
        claim(p, AMOUNT);
    }

    function test_contesting_ends_where_settling_begins() public {
        bytes32 digest = concent.promiseDigest(p);
        claim(p, AMOUNT);
        vm.warp(start + CONTEST_WINDOW - 1);
        vm.expectPartialRevert(IConcentDeposit.TooEarly.selector);
        concent.settle(requestor, p);
        uint256 snapshot = vm.snapshotState();
        contest(p);
        vm.revertToState(snapshot);
        vm.warp(start + CONTEST_WINDOW);
        vm.prank(requestor);
        vm.expectPartialRevert(IConcentDeposit.TooLate.selector);
        concent.contest(digest);
        concent.settle(requestor, p);
    }

    function test_ruling_on_a_claim_ends_where_settling_begins() public {
        for (uint256 contested; contested < 2; ++contested) {
            uint256 snapshot = vm.snapshotState();
            claim(p, AMOUNT);
            if (contested == 1) contest(p);
            uint256 due = start + (contested == 1 ? RULING_WINDOW : CONTEST_WINDOW);
            vm.warp(due - 1);
            vm.expectPartialRevert(IConcentDeposit.TooEarly.selector);
            concent.settle(requestor, p);
            uint256 before = vm.snapshotState();
            rule(p, AMOUNT);
            vm.revertToState(before);
            vm.warp(due);
            refusesRuling(IConcentDeposit.TooLate.selector);
            concent.settle(requestor, p);
            vm.revertToState(snapshot);
        }
    }

    function test_ruling_on_an_unclaimed_promise_ends_with_its_window() public {
        vm.warp(uint256(p.deadline) + RULING_WINDOW);
        refusesRuling(IConcentDeposit.TooLate.selector);
        vm.warp(uint256(p.deadline) + RULING_WINDOW - 1);
        rule(p, AMOUNT);
    }

    function test_withdrawing_begins_with_the_delay() public {
        vm.startPrank(requestor);
        concent.unlock();
        vm.warp(start + WITHDRAW_DELAY - 1);
        vm.expectPartialRevert(IConcentDeposit.TooEarly.selector);
        concent.withdraw(DEPOSIT);
        vm.warp(start + WITHDRAW_DELAY);
        concent.withdraw(DEPOSIT);
    }

    function refusesRuling(bytes4 reason) private {
        (bytes32 r, bytes32 vs) = signPromise(requestorKey, p);
        bytes memory signatures = signRuling(judgeKey, p, AMOUNT);
        vm.expectPartialRevert(reason);
        concent.rule(p, r, vs, AMOUNT, EVIDENCE, signatures);
    }
}
