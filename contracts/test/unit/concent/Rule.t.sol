// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {ConcentDeposit} from "../../../src/ConcentDeposit.sol";
import {IConcentDeposit} from "../../../src/interfaces/IConcentDeposit.sol";
import {ConcentTest} from "../../ConcentTest.sol";

contract RuleTest is ConcentTest {
    IConcentDeposit.Promise private p;
    bytes32 private digest;

    function setUp() public override {
        super.setUp();
        p = promised();
        digest = concent.promiseDigest(p);
    }

    // Refusals, of whatever is ruled on

    function testFuzz_refuses_more_than_was_promised(uint96 amount) public {
        amount = uint96(bound(amount, AMOUNT + 1, type(uint96).max));
        refuses(amount, abi.encodeWithSelector(IConcentDeposit.BadAmount.selector, amount, AMOUNT));
        claim(p, 1);
        refuses(amount, abi.encodeWithSelector(IConcentDeposit.BadAmount.selector, amount, AMOUNT));
    }

    function test_refuses_a_promise_that_nobody_signed() public {
        bytes memory signatures = signRuling(judgeKey, p, AMOUNT);
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.BadSignature.selector, address(0)));
        concent.rule(p, 0, 0, AMOUNT, EVIDENCE, signatures);
    }

    function test_refuses_a_promise_to_nobody_or_oneself() public {
        p.provider = requestor;
        refuses(AMOUNT, abi.encodeWithSelector(IConcentDeposit.BadProvider.selector, requestor));
        p.provider = address(0);
        refuses(AMOUNT, abi.encodeWithSelector(IConcentDeposit.BadProvider.selector, address(0)));
    }

    function testFuzz_refuses_a_ruling_about_something_else(uint8 field, uint256 by) public {
        by = bound(by, 1, AMOUNT - 1);
        (bytes32 r, bytes32 vs) = signPromise(requestorKey, p);
        (address whose, bytes32 what, uint96 amount, bytes32 evidence) = (requestor, digest, AMOUNT, EVIDENCE);
        field = field % 4;
        if (field == 0) whose = address(uint160(requestor) ^ uint160(by));
        if (field == 1) what = bytes32(uint256(what) ^ by);
        if (field == 2) amount -= uint96(by);
        if (field == 3) evidence = bytes32(uint256(evidence) ^ by);
        bytes memory signatures = packed(judgeKey, concent.rulingDigest(whose, what, amount, evidence));
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.TooFewSignatures.selector, 0, 1));
        concent.rule(p, r, vs, AMOUNT, EVIDENCE, signatures);
    }

    function testFuzz_refuses_keys_that_are_not_of_Concent(uint256 key) public {
        key = bound(key, 1, type(uint128).max);
        vm.assume(key != judgeKey);
        (bytes32 r, bytes32 vs) = signPromise(requestorKey, p);
        bytes memory signatures = signRuling(key, p, AMOUNT);
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.TooFewSignatures.selector, 0, 1));
        concent.rule(p, r, vs, AMOUNT, EVIDENCE, signatures);
    }

    function testFuzz_refuses_above_the_daily_limit(uint96 amount, uint256 second) public {
        deposit(requestor, FUNDS - DEPOSIT);
        vm.warp(365 days);
        p.amount = FUNDS;
        p.deadline = type(uint40).max;
        amount = uint96(bound(amount, DAILY_LIMIT + 1, FUNDS));
        refuses(amount, abi.encodeWithSelector(IConcentDeposit.DailyLimitReached.selector, 0, amount, DAILY_LIMIT));
        rule(p, DAILY_LIMIT);
        assertEq(concent.movedToday(), DAILY_LIMIT);
        // Not one wei more until the day is over, by the sun.
        vm.warp(365 days + bound(second, 0, 1 days - 1));
        p.nonce += 1;
        refuses(1, abi.encodeWithSelector(IConcentDeposit.DailyLimitReached.selector, DAILY_LIMIT, 1, DAILY_LIMIT));
        vm.warp(366 days);
        assertEq(concent.movedToday(), 0);
        rule(p, DAILY_LIMIT);
        assertEq(concent.movedToday(), DAILY_LIMIT);
    }

    // A promise that nobody claimed

    function test_refuses_nothing_for_a_promise_that_nobody_claimed() public {
        refuses(0, abi.encodeWithSelector(IConcentDeposit.BadAmount.selector, 0, AMOUNT));
    }

    function testFuzz_refuses_long_after_the_deadline(uint256 late) public {
        uint256 due = uint256(p.deadline) + RULING_WINDOW;
        vm.warp(due + bound(late, 0, 100 days));
        refuses(AMOUNT, abi.encodeWithSelector(IConcentDeposit.TooLate.selector, due, vm.getBlockTimestamp()));
    }

    function testFuzz_refuses_anybody_but_the_provider_where_the_deposit_is_short(uint96 free, address caller) public {
        vm.assume(caller != provider);
        free = uint96(bound(free, 0, AMOUNT - 1));
        leaveFree(free);
        bytes memory reason = abi.encodeWithSelector(IConcentDeposit.TooLittle.selector, requestor, free, AMOUNT);
        refuses(caller, AMOUNT, reason);
    }

    function test_refuses_the_provider_too_where_nothing_is_free() public {
        leaveFree(0);
        refuses(provider, AMOUNT, abi.encodeWithSelector(IConcentDeposit.TooLittle.selector, requestor, 0, AMOUNT));
    }

    function testFuzz_pays_a_promise_that_nobody_claimed(uint96 amount, uint256 wait, address caller) public {
        amount = uint96(bound(amount, 1, AMOUNT));
        skip(bound(wait, 0, uint256(p.deadline) + RULING_WINDOW - 1 - vm.getBlockTimestamp()));
        (bytes32 r, bytes32 vs) = signPromise(requestorKey, p);
        bytes memory signatures = signRuling(judgeKey, p, amount);
        vm.expectEmit(address(concent));
        emit IConcentDeposit.Ruled(requestor, provider, digest, amount, EVIDENCE);
        vm.prank(caller);
        concent.rule(p, r, vs, amount, EVIDENCE, signatures);
        assertAccount(requestor, DEPOSIT - amount, 0, 0);
        assertAccount(provider, BOND, 0, 0);
        assertAccount(treasury, 0, 0, 0);
        assertEq(gnt.balanceOf(provider), FUNDS - BOND + amount);
        assertEq(concent.movedToday(), (uint256(amount) + 1 gwei - 1) / 1 gwei * 1 gwei);
        assertTrue(concent.isUsedUp(requestor, provider, NONCE));
        refuses(amount, abi.encodeWithSelector(IConcentDeposit.UsedUp.selector, requestor, provider, NONCE));
    }

    function testFuzz_pays_the_provider_what_there_is_if_it_wants_that(uint96 free) public {
        free = uint96(bound(free, 1, AMOUNT - 1));
        leaveFree(free);
        (bytes32 r, bytes32 vs) = signPromise(requestorKey, p);
        bytes memory signatures = signRuling(judgeKey, p, AMOUNT);
        vm.expectEmit(address(concent));
        emit IConcentDeposit.Ruled(requestor, provider, digest, free, EVIDENCE);
        vm.prank(provider);
        concent.rule(p, r, vs, AMOUNT, EVIDENCE, signatures);
        assertAccount(requestor, DEPOSIT - free, DEPOSIT - free, 0);
        assertEq(gnt.balanceOf(provider), FUNDS - BOND + free);
        assertEq(concent.movedToday(), (uint256(free) + 1 gwei - 1) / 1 gwei * 1 gwei);
    }

    /// An unlocked deposit is there until it is withdrawn.
    function test_pays_out_of_an_unlocked_deposit_and_moves_nobodys_times() public {
        uint256 unlockAt = vm.getBlockTimestamp() + WITHDRAW_DELAY;
        vm.prank(requestor);
        concent.unlock();
        vm.warp(unlockAt);
        rule(p, AMOUNT);
        assertAccount(requestor, DEPOSIT - AMOUNT, 0, unlockAt);
    }

    // A claim

    /// Regression: Concent alone took the bond of a claim that nobody contested, and sent part of it to its treasury.
    function testFuzz_refuses_to_rule_against_a_claim_that_nobody_contested(uint96 claimed, uint96 amount) public {
        claimed = uint96(bound(claimed, 1, AMOUNT));
        amount = uint96(bound(amount, 0, claimed - 1));
        claim(p, claimed);
        refuses(amount, abi.encodeWithSelector(IConcentDeposit.NotContested.selector, requestor, digest));
    }

    function testFuzz_refuses_once_a_window_is_over(uint256 late, bool contested) public {
        claim(p, AMOUNT);
        if (contested) contest(p);
        uint256 due = concent.claimOf(requestor, digest).due;
        vm.warp(due + bound(late, 0, 100 days));
        refuses(AMOUNT, abi.encodeWithSelector(IConcentDeposit.TooLate.selector, due, vm.getBlockTimestamp()));
    }

    function test_refuses_a_promise_of_a_number_that_another_one_used_up() public {
        claim(p, AMOUNT);
        p.deal = keccak256("another deal, of the same number");
        refuses(AMOUNT, abi.encodeWithSelector(IConcentDeposit.UsedUp.selector, requestor, provider, NONCE));
    }

    function testFuzz_grants_a_claim_that_nobody_contested_at_once(uint96 claimed, uint96 amount) public {
        claimed = uint96(bound(claimed, 1, AMOUNT));
        amount = uint96(bound(amount, claimed, AMOUNT));
        claim(p, claimed);
        vm.expectEmit(address(concent));
        emit IConcentDeposit.Ruled(requestor, provider, digest, claimed, EVIDENCE);
        rule(p, amount);
        assertEnds(claimed, DEPOSIT - claimed, BOND, 0);
        assertEq(concent.movedToday(), (uint256(claimed) + 1 gwei - 1) / 1 gwei * 1 gwei);
    }

    function testFuzz_grants_a_contested_claim_and_the_requestor_pays(uint96 claimed, uint96 amount) public {
        claimed = uint96(bound(claimed, 1, AMOUNT));
        amount = uint96(bound(amount, claimed, AMOUNT));
        claim(p, claimed);
        contest(p);
        vm.expectEmit(address(concent));
        emit IConcentDeposit.Ruled(requestor, provider, digest, claimed, EVIDENCE);
        rule(p, amount);
        assertEnds(claimed, DEPOSIT - claimed - BOND, BOND + COVER, FEE);
        assertEq(concent.movedToday(), (uint256(claimed) + BOND + 1 gwei - 1) / 1 gwei * 1 gwei);
    }

    function testFuzz_grants_less_than_was_claimed_and_the_provider_pays(uint96 claimed, uint96 amount) public {
        claimed = uint96(bound(claimed, 1, AMOUNT));
        amount = uint96(bound(amount, 0, claimed - 1));
        claim(p, claimed);
        contest(p);
        vm.expectEmit(address(concent));
        emit IConcentDeposit.Ruled(requestor, provider, digest, amount, EVIDENCE);
        rule(p, amount);
        assertEnds(amount, DEPOSIT - amount + COVER, 0, FEE);
        assertEq(concent.movedToday(), (uint256(amount) + BOND + 1 gwei - 1) / 1 gwei * 1 gwei);
    }

    /// A deposit that had less free than was claimed is no fault of the provider.
    function testFuzz_grants_a_claim_that_reserved_less(uint96 free, bool contested) public {
        free = uint96(bound(free, 1, AMOUNT - 1));
        leaveFree(free);
        (bytes32 r, bytes32 vs) = signPromise(requestorKey, p);
        vm.prank(provider);
        concent.claim(p, r, vs, AMOUNT, 0);
        uint96 bond = contested ? BOND : 0;
        if (contested) {
            deposit(requestor, BOND);
            contest(p);
        }
        rule(p, AMOUNT);
        assertEq(gnt.balanceOf(provider), FUNDS - BOND + free);
        assertAccount(requestor, DEPOSIT - free, DEPOSIT - free, 0);
        assertAccount(provider, BOND + bond / BOND * COVER, 0, 0);
        assertAccount(treasury, bond / BOND * FEE, 0, 0);
    }

    /// What was reserved bounds what is paid, not what was right to claim.
    function testFuzz_granting_what_was_reserved_but_not_what_was_claimed_is_a_loss(uint96 free, uint96 amount) public {
        free = uint96(bound(free, 1, AMOUNT - 1));
        amount = uint96(bound(amount, free, AMOUNT - 1));
        leaveFree(free);
        (bytes32 r, bytes32 vs) = signPromise(requestorKey, p);
        vm.prank(provider);
        concent.claim(p, r, vs, AMOUNT, 0);
        refuses(amount, abi.encodeWithSelector(IConcentDeposit.NotContested.selector, requestor, digest));
        deposit(requestor, BOND);
        contest(p);
        rule(p, amount);
        assertEq(gnt.balanceOf(provider), FUNDS - BOND + free);
        assertAccount(requestor, DEPOSIT + BOND - free + COVER, DEPOSIT - free, 0);
        assertAccount(provider, 0, 0, 0);
        assertAccount(treasury, FEE, 0, 0);
    }

    function test_a_claim_can_be_ruled_on_once() public {
        claim(p, AMOUNT);
        contest(p);
        rule(p, 1);
        refuses(AMOUNT, abi.encodeWithSelector(IConcentDeposit.UsedUp.selector, requestor, provider, NONCE));
    }

    /// The winner may have unlocked; a credit does not lock it again.
    function test_credits_move_nobodys_times() public {
        deposit(treasury_(), 1);
        uint256 unlockAt = vm.getBlockTimestamp() + WITHDRAW_DELAY;
        for (uint256 i; i < 3; ++i) {
            vm.prank([requestor, provider, treasury][i]);
            concent.unlock();
        }
        claim(p, AMOUNT);
        contest(p);
        rule(p, 0);
        assertAccount(requestor, DEPOSIT + COVER, 0, unlockAt);
        assertAccount(provider, 0, 0, unlockAt);
        assertAccount(treasury, 1 + FEE, 0, unlockAt);
    }

    /// Concent's own treasury can be a party like any other.
    function test_the_treasury_can_be_the_provider() public {
        IConcentDeposit.Terms memory t = terms();
        t.treasury = provider;
        concent = new ConcentDeposit(t, one(judge), 1);
        deposit(requestor, DEPOSIT);
        deposit(provider, BOND);
        p = promised(1);
        claim(p, AMOUNT);
        contest(p);
        rule(p, 0);
        assertAccount(requestor, DEPOSIT + COVER, 0, 0);
        assertAccount(provider, FEE, 0, 0);
    }

    function treasury_() private returns (address) {
        gnt.transfer(treasury, 1);
        return treasury;
    }

    /// After a ruling on a claim: what the provider got, and the three accounts, with nothing at stake.
    function assertEnds(uint96 paid, uint96 ofRequestor, uint96 ofProvider, uint96 ofTreasury) private view {
        assertAccount(requestor, ofRequestor, 0, 0);
        assertAccount(provider, ofProvider, 0, 0);
        assertAccount(treasury, ofTreasury, 0, 0);
        assertEq(gnt.balanceOf(provider), FUNDS - BOND + paid);
        assertEq(gnt.balanceOf(address(concent)), uint256(ofRequestor) + ofProvider + ofTreasury);
        assertNoClaim(p);
    }

    /// Puts all but `free` of the requestor's deposit at stake with a friend.
    function leaveFree(uint96 free) private {
        deposit(stranger, BOND);
        IConcentDeposit.Promise memory other = promised();
        (other.provider, other.amount) = (stranger, DEPOSIT - free);
        claim(other, DEPOSIT - free);
    }

    function refuses(uint96 amount, bytes memory reason) private {
        refuses(stranger, amount, reason);
    }

    function refuses(address caller, uint96 amount, bytes memory reason) private {
        (bytes32 r, bytes32 vs) = signPromise(requestorKey, p);
        bytes memory signatures = signRuling(judgeKey, p, amount);
        vm.expectRevert(reason);
        vm.prank(caller);
        concent.rule(p, r, vs, amount, EVIDENCE, signatures);
    }
}
