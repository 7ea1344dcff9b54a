// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {IConcentDeposit} from "../../../src/interfaces/IConcentDeposit.sol";
import {ConcentTest} from "../../ConcentTest.sol";

contract ClaimTest is ConcentTest {
    function testFuzz_refuses_anybody_but_the_provider(address caller) public {
        vm.assume(caller != provider);
        IConcentDeposit.Promise memory p = promised();
        refuses(p, caller, AMOUNT, 0, abi.encodeWithSelector(IConcentDeposit.NotTheProvider.selector, caller, provider));
    }

    function testFuzz_refuses_after_the_deadline(uint256 late) public {
        IConcentDeposit.Promise memory p = promised();
        vm.warp(p.deadline + bound(late, 1, 10 * 365 days));
        bytes memory reason =
            abi.encodeWithSelector(IConcentDeposit.TooLate.selector, uint256(p.deadline) + 1, vm.getBlockTimestamp());
        refuses(p, provider, AMOUNT, 0, reason);
    }

    function testFuzz_refuses_nothing_and_more_than_was_promised(uint96 amount) public {
        IConcentDeposit.Promise memory p = promised();
        amount = uint96(bound(amount, AMOUNT + 1, type(uint96).max));
        refuses(p, provider, 0, 0, abi.encodeWithSelector(IConcentDeposit.BadAmount.selector, 0, AMOUNT));
        refuses(p, provider, amount, 0, abi.encodeWithSelector(IConcentDeposit.BadAmount.selector, amount, AMOUNT));
    }

    function test_refuses_a_signature_of_nobody() public {
        IConcentDeposit.Promise memory p = promised();
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.BadSignature.selector, address(0)));
        vm.prank(provider);
        concent.claim(p, 0, 0, AMOUNT, 0);
    }

    /// Whatever else is signed makes somebody with nothing deposited the requestor.
    function testFuzz_refuses_a_promise_that_was_changed_after_it_was_signed(uint8 field, uint256 by) public {
        IConcentDeposit.Promise memory p = promised();
        (bytes32 r, bytes32 vs) = signPromise(requestorKey, p);
        by = bound(by, 1, type(uint32).max);
        field = field % 4;
        if (field == 0) p.amount += uint96(by);
        if (field == 1) p.nonce += by;
        if (field == 2) p.deal = bytes32(uint256(p.deal) ^ by);
        if (field == 3) p.deadline += uint40(by);
        address signer =
            ecrecover(concent.promiseDigest(p), uint8(27 + (uint256(vs) >> 255)), r, bytes32((uint256(vs) << 1) >> 1));
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.TooLittle.selector, signer, 0, 0));
        vm.prank(provider);
        concent.claim(p, r, vs, AMOUNT, 0);
    }

    function test_refuses_a_promise_to_oneself() public {
        IConcentDeposit.Promise memory p = promised();
        p.provider = requestor;
        refuses(p, requestor, AMOUNT, 0, abi.encodeWithSelector(IConcentDeposit.BadProvider.selector, requestor));
    }

    function testFuzz_refuses_without_a_bond(uint96 held) public {
        held = uint96(bound(held, 0, BOND - 1));
        IConcentDeposit.Promise memory p = promised();
        p.provider = stranger;
        if (held != 0) deposit(stranger, held);
        refuses(
            p, stranger, AMOUNT, 0, abi.encodeWithSelector(IConcentDeposit.TooLittle.selector, stranger, held, BOND)
        );
    }

    /// One bond is at stake in one claim.
    function test_refuses_a_second_claim_on_the_same_bond() public {
        claim(promised(1), AMOUNT);
        bytes memory reason = abi.encodeWithSelector(IConcentDeposit.TooLittle.selector, provider, 0, BOND);
        refuses(promised(2), provider, AMOUNT, 0, reason);
    }

    function testFuzz_refuses_where_less_is_free_than_asked_for(uint96 free, uint96 reservedMin) public {
        free = uint96(bound(free, 1, AMOUNT - 1));
        reservedMin = uint96(bound(reservedMin, free + 1, type(uint96).max));
        leaveFree(free);
        refuses(
            promised(),
            provider,
            AMOUNT,
            reservedMin,
            abi.encodeWithSelector(IConcentDeposit.TooLittle.selector, requestor, free, reservedMin)
        );
        assertFalse(concent.isUsedUp(requestor, provider, NONCE), "it is still good for when there is more");
    }

    function test_refuses_where_nothing_is_free() public {
        leaveFree(0);
        bytes memory reason = abi.encodeWithSelector(IConcentDeposit.TooLittle.selector, requestor, 0, 0);
        refuses(promised(), provider, AMOUNT, 0, reason);
    }

    function testFuzz_refuses_a_second_time(uint96 first, uint96 second) public {
        first = uint96(bound(first, 1, AMOUNT));
        second = uint96(bound(second, 1, AMOUNT));
        deposit(provider, BOND);
        IConcentDeposit.Promise memory p = promised();
        claim(p, first);
        bytes memory reason = abi.encodeWithSelector(IConcentDeposit.UsedUp.selector, requestor, provider, NONCE);
        refuses(p, provider, second, 0, reason);
        p.deal = keccak256("another deal, of the same number");
        refuses(p, provider, second, 0, reason);
    }

    function test_refuses_what_was_ruled_on_or_voided() public {
        rule(promised(1), AMOUNT);
        void(promised(2));
        for (uint256 nonce = 1; nonce <= 2; ++nonce) {
            bytes memory reason = abi.encodeWithSelector(IConcentDeposit.UsedUp.selector, requestor, provider, nonce);
            refuses(promised(nonce), provider, AMOUNT, 0, reason);
        }
    }

    function testFuzz_reserves_at_once(uint96 amount, uint96 promised_, uint256 nonce, uint256 wait) public {
        promised_ = uint96(bound(promised_, 1, DEPOSIT));
        amount = uint96(bound(amount, 1, promised_));
        IConcentDeposit.Promise memory p = promised(nonce);
        p.amount = promised_;
        bytes32 digest = concent.promiseDigest(p);
        skip(bound(wait, 0, 1 days));
        uint40 due = uint40(vm.getBlockTimestamp() + CONTEST_WINDOW);
        assertFalse(concent.isUsedUp(requestor, provider, nonce));
        vm.expectEmit(address(concent));
        emit IConcentDeposit.Claimed(requestor, provider, digest, amount, amount, due);
        claim(p, amount);
        assertAccount(requestor, DEPOSIT, amount, 0);
        assertAccount(provider, BOND, BOND, 0);
        IConcentDeposit.Claim memory c = concent.claimOf(requestor, digest);
        assertEq(
            abi.encode(c), abi.encode(IConcentDeposit.Claim(amount, amount, due, IConcentDeposit.Stage.Open)), "claim"
        );
        assertTrue(concent.isUsedUp(requestor, provider, nonce));
    }

    function testFuzz_takes_what_is_free_where_that_is_enough(uint96 free, uint96 reservedMin) public {
        free = uint96(bound(free, 1, AMOUNT - 1));
        reservedMin = uint96(bound(reservedMin, 0, free));
        leaveFree(free);
        IConcentDeposit.Promise memory p = promised();
        (bytes32 r, bytes32 vs) = signPromise(requestorKey, p);
        vm.prank(provider);
        concent.claim(p, r, vs, AMOUNT, reservedMin);
        assertAccount(requestor, DEPOSIT, DEPOSIT, 0);
        IConcentDeposit.Claim memory c = concent.claimOf(requestor, concent.promiseDigest(p));
        assertEq(c.amount, AMOUNT);
        assertEq(c.reserved, free);
    }

    /// Who unlocks cannot take out what is claimed before the delay is over.
    function test_an_unlocked_deposit_can_be_claimed() public {
        IConcentDeposit.Promise memory p = promised();
        vm.prank(requestor);
        concent.unlock();
        uint256 unlockAt = vm.getBlockTimestamp() + WITHDRAW_DELAY;
        skip(1 days);
        claim(p, AMOUNT);
        assertAccount(requestor, DEPOSIT, AMOUNT, unlockAt);
    }

    /// Numbers count for each pair alone: a promise to a friend uses up nothing of another provider's.
    function testFuzz_the_same_number_serves_every_provider(uint256 nonce) public {
        deposit(stranger, BOND);
        IConcentDeposit.Promise memory p = promised(nonce);
        claim(p, AMOUNT);
        p.provider = stranger;
        claim(p, AMOUNT);
        assertAccount(requestor, DEPOSIT, 2 * AMOUNT, 0);
    }

    function testFuzz_numbers_are_used_up_one_by_one(uint256 nonce, uint256 other) public {
        vm.assume(nonce != other);
        claim(promised(nonce), AMOUNT);
        assertTrue(concent.isUsedUp(requestor, provider, nonce));
        assertFalse(concent.isUsedUp(requestor, provider, other));
        assertFalse(concent.isUsedUp(provider, requestor, nonce));
    }

    /// Puts all but `free` of the requestor's deposit at stake with a friend.
    function leaveFree(uint96 free) private {
        deposit(stranger, BOND);
        IConcentDeposit.Promise memory p = promised();
        (p.provider, p.amount) = (stranger, DEPOSIT - free);
        claim(p, DEPOSIT - free);
    }

    function refuses(
        IConcentDeposit.Promise memory p,
        address caller,
        uint96 amount,
        uint96 reservedMin,
        bytes memory reason
    ) private {
        (bytes32 r, bytes32 vs) = signPromise(requestorKey, p);
        vm.expectRevert(reason);
        vm.prank(caller);
        concent.claim(p, r, vs, amount, reservedMin);
    }
}
