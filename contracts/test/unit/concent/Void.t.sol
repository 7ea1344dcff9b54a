// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {IConcentDeposit} from "../../../src/interfaces/IConcentDeposit.sol";
import {ConcentTest} from "../../ConcentTest.sol";

contract VoidTest is ConcentTest {
    IConcentDeposit.Promise private p;
    bytes32 private digest;

    function setUp() public override {
        super.setUp();
        p = promised();
        digest = concent.promiseDigest(p);
    }

    function test_refuses_a_promise_that_nobody_signed() public {
        (bytes32 r, bytes32 vs) = signReceipt(providerKey, requestor, p);
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.BadSignature.selector, address(0)));
        concent.void(p, 0, 0, r, vs);
    }

    function test_refuses_a_promise_to_oneself() public {
        p.provider = requestor;
        refuses(requestorKey, requestor, abi.encodeWithSelector(IConcentDeposit.BadProvider.selector, requestor));
    }

    function testFuzz_refuses_the_receipt_of_anybody_but_the_provider(uint256 key, bool claimed) public {
        key = bound(key, 1, type(uint128).max);
        vm.assume(key != providerKey);
        if (claimed) claim(p, AMOUNT);
        refuses(key, requestor, abi.encodeWithSelector(IConcentDeposit.BadSignature.selector, vm.addr(key)));
    }

    function test_refuses_a_receipt_that_nobody_signed() public {
        claim(p, AMOUNT);
        (bytes32 r, bytes32 vs) = signPromise(requestorKey, p);
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.BadSignature.selector, address(0)));
        concent.void(p, r, vs, 0, 0);
    }

    /// A receipt is for one requestor and one promise.
    function testFuzz_refuses_the_receipt_of_another_deal(address by, uint256 nonce) public {
        vm.assume(by != requestor && nonce != NONCE);
        claim(p, AMOUNT);
        (bytes32 r, bytes32 vs) = signPromise(requestorKey, p);
        bytes32[2] memory others = [
            concent.receiptDigest(by, digest), concent.receiptDigest(requestor, concent.promiseDigest(promised(nonce)))
        ];
        for (uint256 i; i < others.length; ++i) {
            (bytes32 receiptR, bytes32 receiptVs) = vm.signCompact(providerKey, others[i]);
            vm.expectPartialRevert(IConcentDeposit.BadSignature.selector);
            concent.void(p, r, vs, receiptR, receiptVs);
        }
        assertAccount(provider, BOND, BOND, 0);
    }

    function test_refuses_a_promise_that_is_used_up() public {
        bytes memory reason = abi.encodeWithSelector(IConcentDeposit.UsedUp.selector, requestor, provider, NONCE);
        void(p);
        refuses(providerKey, requestor, reason);
        p.deal = keccak256("another deal, of the same number");
        refuses(providerKey, requestor, reason);
    }

    function test_refuses_once_a_claim_was_paid_or_ruled_on() public {
        claim(p, AMOUNT);
        skip(CONTEST_WINDOW);
        concent.settle(requestor, p);
        refuses(
            providerKey, requestor, abi.encodeWithSelector(IConcentDeposit.UsedUp.selector, requestor, provider, NONCE)
        );
        p = promised(1);
        rule(p, AMOUNT);
        refuses(providerKey, requestor, abi.encodeWithSelector(IConcentDeposit.UsedUp.selector, requestor, provider, 1));
    }

    function testFuzz_uses_up_a_promise_that_nobody_claimed(uint256 nonce, uint256 wait) public {
        p = promised(nonce);
        digest = concent.promiseDigest(p);
        skip(bound(wait, 0, 100 days));
        vm.expectEmit(address(concent));
        emit IConcentDeposit.Voided(requestor, provider, digest);
        void(p);
        assertTrue(concent.isUsedUp(requestor, provider, nonce));
        assertAccount(requestor, DEPOSIT, 0, 0);
        assertAccount(provider, BOND, 0, 0);
        assertEq(gnt.balanceOf(stranger), FUNDS, "there was no bond to take");
    }

    function testFuzz_ends_a_claim_and_takes_its_bond(uint96 amount, bool contested, uint256 wait) public {
        amount = uint96(bound(amount, 1, AMOUNT));
        claim(p, amount);
        if (contested) contest(p);
        // As long as the claim is there, even when its window is over.
        skip(bound(wait, 0, 100 days));
        vm.expectEmit(address(concent));
        emit IConcentDeposit.Voided(requestor, provider, digest);
        void(p);
        assertAccount(requestor, DEPOSIT + FEE, 0, 0);
        assertAccount(provider, 0, 0, 0);
        assertAccount(treasury, 0, 0, 0);
        assertEq(gnt.balanceOf(stranger), FUNDS + COVER);
        assertEq(gnt.balanceOf(address(concent)), DEPOSIT + FEE);
        assertNoClaim(p);
    }

    /// A provider that sees its receipt coming and shows it first itself loses all the same.
    function test_a_provider_that_shows_its_own_receipt_still_loses_the_fee() public {
        claim(p, AMOUNT);
        (bytes32 r, bytes32 vs) = signPromise(requestorKey, p);
        (bytes32 receiptR, bytes32 receiptVs) = signReceipt(providerKey, requestor, p);
        vm.prank(provider);
        concent.void(p, r, vs, receiptR, receiptVs);
        assertAccount(requestor, DEPOSIT + FEE, 0, 0);
        assertAccount(provider, 0, 0, 0);
        assertEq(gnt.balanceOf(provider), FUNDS - BOND + COVER);
    }

    function test_moves_nobodys_times() public {
        uint256 unlockAt = vm.getBlockTimestamp() + WITHDRAW_DELAY;
        vm.prank(requestor);
        concent.unlock();
        vm.prank(provider);
        concent.unlock();
        claim(p, AMOUNT);
        void(p);
        assertAccount(requestor, DEPOSIT + FEE, 0, unlockAt);
        assertAccount(provider, 0, 0, unlockAt);
    }

    function refuses(uint256 key, address by, bytes memory reason) private {
        (bytes32 r, bytes32 vs) = signPromise(requestorKey, p);
        (bytes32 receiptR, bytes32 receiptVs) = signReceipt(key, by, p);
        vm.expectRevert(reason);
        concent.void(p, r, vs, receiptR, receiptVs);
    }
}
