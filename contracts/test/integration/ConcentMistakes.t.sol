// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {ConcentDeposit} from "../../src/ConcentDeposit.sol";
import {IConcentDeposit} from "../../src/interfaces/IConcentDeposit.sol";
import {ConcentTest} from "../ConcentTest.sol";

/// Mistakes that comparable systems made, each named as in the table of `docs/SECURITY.md`.
contract ConcentMistakesTest is ConcentTest {
    /// The order of secp256k1.
    uint256 private constant N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;

    IConcentDeposit.Promise private p;

    function setUp() public override {
        super.setUp();
        p = promised();
    }

    /// A promise, a receipt, a ruling and a rotation are worth nothing on a chain that was forked off.
    function test_no_chain_id_in_the_digest() public {
        nothingIsWorthAnything(true);
    }

    /// Nor on another contract, of the same Concent and the same requestor.
    function test_no_contract_in_the_digest() public {
        nothingIsWorthAnything(false);
    }

    function test_exit_armed_once_and_used_after_refunding() public {
        vm.prank(requestor);
        concent.unlock();
        skip(10 * WITHDRAW_DELAY);
        deposit(requestor, 1);
        vm.prank(requestor);
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.Locked.selector, requestor));
        concent.withdraw(DEPOSIT);
    }

    /// However a promise was used up, no other way is left.
    function test_promise_reimbursed_twice() public {
        for (uint256 way; way < 5; ++way) {
            p = promised(way);
            if (way == 0) rule(p, AMOUNT);
            if (way == 1) void(p);
            if (way > 1) claim(p, AMOUNT);
            if (way == 2) rule(p, AMOUNT);
            if (way == 4) contest(p);
            if (way > 2) skip(way == 3 ? CONTEST_WINDOW : RULING_WINDOW);
            if (way > 2) concent.settle(requestor, p);
            nothingIsLeftOf(p);
        }
    }

    /// Whoever is first to show what anybody may show does the same thing; the second only learns that it is done.
    function test_call_poisoned_by_a_front_run_copy() public {
        (bytes32 r, bytes32 vs) = signPromise(requestorKey, p);
        bytes memory signatures = signRuling(judgeKey, p, AMOUNT);
        vm.prank(stranger);
        concent.rule(p, r, vs, AMOUNT, EVIDENCE, signatures);
        assertEq(gnt.balanceOf(provider), FUNDS - BOND + AMOUNT);
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.UsedUp.selector, requestor, provider, NONCE));
        concent.rule(p, r, vs, AMOUNT, EVIDENCE, signatures);
    }

    function test_transfer_that_eats_the_deposit_cap() public {
        gnt.transfer(address(concent), DEPOSIT_MAX);
        gnt.transfer(stranger, DEPOSIT_MAX);
        deposit(stranger, DEPOSIT_MAX);
        assertAccount(stranger, DEPOSIT_MAX, 0, 0);
    }

    /// The bond is paid or given back, never both, and never twice.
    function testFuzz_fee_refunded_and_paid(uint96 amount, bool late) public {
        amount = uint96(bound(amount, 0, AMOUNT));
        claim(p, AMOUNT);
        contest(p);
        if (late) skip(RULING_WINDOW);
        if (late) concent.settle(requestor, p);
        else rule(p, amount);
        uint256 paid = late ? 0 : amount;
        bool won = amount == AMOUNT;
        if (late) {
            assertAccount(requestor, DEPOSIT, 0, 0);
            assertAccount(provider, BOND, 0, 0);
        } else {
            assertAccount(requestor, won ? DEPOSIT - paid - BOND : DEPOSIT - paid + COVER, 0, 0);
            assertAccount(provider, won ? BOND + COVER : 0, 0, 0);
        }
        assertAccount(treasury, late ? 0 : FEE, 0, 0);
        assertEq(gnt.balanceOf(address(concent)), DEPOSIT + BOND - paid);
        vm.expectPartialRevert(IConcentDeposit.NoClaim.selector);
        concent.settle(requestor, p);
    }

    /// A signature that recovers to nobody is nobody's, wherever one is asked for.
    function testFuzz_zero_address_from_ecrecover(bytes32 vs) public {
        (bytes32 r, bytes32 goodVs) = signPromise(requestorKey, p);
        bytes memory signatures = signRuling(judgeKey, p, AMOUNT);
        vm.prank(provider);
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.BadSignature.selector, address(0)));
        concent.claim(p, 0, vs, AMOUNT, 0);
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.BadSignature.selector, address(0)));
        concent.rule(p, 0, vs, AMOUNT, EVIDENCE, signatures);
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.BadSignature.selector, address(0)));
        concent.void(p, r, goodVs, 0, vs);
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.TooFewSignatures.selector, 0, 1));
        concent.rule(p, r, goodVs, AMOUNT, EVIDENCE, abi.encodePacked(bytes32(0), vs));
        // Nor is a promise to nobody one that nobody's signature could be a receipt for.
        p.provider = address(0);
        (r, goodVs) = signPromise(requestorKey, p);
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.BadProvider.selector, address(0)));
        concent.void(p, r, goodVs, 0, vs);
    }

    /// Of the two forms of a signature only one counts. The compact form has room for few high `s`; so `s` comes first
    /// here, and the requestor is whoever it is then.
    function testFuzz_high_s_signatures(uint256 s) public {
        s = bound(s, N / 2 + 1, (1 << 255) - 1);
        (bytes32 r,) = signPromise(requestorKey, p);
        address signer = ecrecover(concent.promiseDigest(p), 27, r, bytes32(s));
        gnt.transfer(signer, AMOUNT);
        deposit(signer, AMOUNT);
        vm.startPrank(provider);
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.BadSignature.selector, address(0)));
        concent.claim(p, r, bytes32(s), AMOUNT, 0);
        concent.claim(p, r, bytes32((N - s) | (1 << 255)), AMOUNT, 0);
        assertAccount(signer, AMOUNT, AMOUNT, 0);
    }

    /// Neither a deposit in somebody's name nor a credit of a ruling moves the time of an exit.
    function test_third_party_topup_that_cancels_an_exit() public {
        uint256 unlockAt = vm.getBlockTimestamp() + WITHDRAW_DELAY;
        vm.startPrank(requestor);
        concent.unlock();
        gnt.approve(stranger, 1);
        gnt.approve(address(concent), 1);
        vm.stopPrank();
        vm.startPrank(stranger);
        gnt.transfer(address(concent), 1);
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.NotTheOwner.selector, stranger, requestor));
        gnt.transferFromAndCall(requestor, address(concent), 1);
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.NotTheToken.selector, stranger, gnt));
        concent.onTransferReceived(requestor, requestor, 1, "");
        vm.stopPrank();
        claim(p, AMOUNT);
        contest(p);
        rule(p, 0);
        vm.warp(unlockAt);
        vm.prank(requestor);
        concent.withdraw(DEPOSIT + COVER);
        assertEq(gnt.balanceOf(requestor), FUNDS + COVER);
    }

    /// Concent takes the fee only of who claimed or contested, by a transaction of its own, and lost.
    function test_arbitrators_fee_without_signature() public {
        rule(promised(1), AMOUNT);
        assertAccount(treasury, 0, 0, 0);
        claim(promised(2), AMOUNT);
        rule(promised(2), AMOUNT);
        assertAccount(treasury, 0, 0, 0);
        assertAccount(provider, BOND, 0, 0);
        claim(p, AMOUNT);
        (bytes32 r, bytes32 vs) = signPromise(requestorKey, p);
        bytes memory signatures = signRuling(judgeKey, p, 0);
        vm.expectPartialRevert(IConcentDeposit.NotContested.selector);
        concent.rule(p, r, vs, 0, EVIDENCE, signatures);
        void(p);
        assertAccount(treasury, 0, 0, 0);
    }

    /// Whoever submits, and whatever it says: the provider of the promise is paid, and what was at stake goes back to
    /// whose it was.
    function test_claim_released_for_the_wrong_party() public {
        deposit(stranger, BOND);
        IConcentDeposit.Promise memory other = promised();
        (other.provider, other.amount) = (stranger, AMOUNT / 2);
        claim(p, AMOUNT);
        claim(other, AMOUNT / 2);
        skip(CONTEST_WINDOW);
        vm.startPrank(stranger);
        vm.expectPartialRevert(IConcentDeposit.NoClaim.selector);
        concent.settle(provider, p);
        IConcentDeposit.Promise memory forged = p;
        forged.provider = stranger;
        vm.expectPartialRevert(IConcentDeposit.NoClaim.selector);
        concent.settle(requestor, forged);
        forged.provider = provider;
        concent.settle(requestor, p);
        vm.stopPrank();
        assertEq(gnt.balanceOf(provider), FUNDS - BOND + AMOUNT);
        assertEq(gnt.balanceOf(stranger), FUNDS - BOND);
        assertAccount(requestor, DEPOSIT - AMOUNT, AMOUNT / 2, 0);
        assertAccount(provider, BOND, 0, 0);
        assertAccount(stranger, BOND, BOND, 0);
    }

    /// All a silent requestor ever signed is the promise, and the provider gets its money without Concent.
    function test_silent_requestor_that_escapes() public {
        claim(p, AMOUNT);
        skip(CONTEST_WINDOW);
        vm.prank(provider);
        concent.settle(requestor, p);
        assertEq(gnt.balanceOf(provider), FUNDS - BOND + AMOUNT);
    }

    /// Shows what was signed for one domain in another: all parties have deposits, and nothing of it counts.
    function nothingIsWorthAnything(bool forked) private {
        (bytes32 r, bytes32 vs) = signPromise(requestorKey, p);
        (bytes32 receiptR, bytes32 receiptVs) = signReceipt(providerKey, requestor, p);
        bytes memory ruling = signRuling(judgeKey, p, AMOUNT);
        bytes memory rotation = packed(judgeKey, concent.rotationDigest(one(stranger), 1, 0));
        if (forked) {
            vm.chainId(CHAIN_ID + 1);
        } else {
            concent = new ConcentDeposit(terms(), one(judge), 1);
            deposit(requestor, DEPOSIT);
            deposit(provider, BOND);
        }
        vm.prank(provider);
        vm.expectPartialRevert(IConcentDeposit.TooLittle.selector);
        concent.claim(p, r, vs, AMOUNT, 0);
        vm.expectPartialRevert(IConcentDeposit.TooLittle.selector);
        concent.rule(p, r, vs, AMOUNT, EVIDENCE, ruling);
        vm.expectPartialRevert(IConcentDeposit.BadSignature.selector);
        concent.void(p, r, vs, receiptR, receiptVs);
        // With the promise signed for here, the ruling and the receipt still are not.
        (r, vs) = signPromise(requestorKey, p);
        vm.expectPartialRevert(IConcentDeposit.TooFewSignatures.selector);
        concent.rule(p, r, vs, AMOUNT, EVIDENCE, ruling);
        vm.expectPartialRevert(IConcentDeposit.BadSignature.selector);
        concent.void(p, r, vs, receiptR, receiptVs);
        vm.expectPartialRevert(IConcentDeposit.TooFewSignatures.selector);
        concent.proposeRotation(one(stranger), 1, rotation);
        assertAccount(requestor, DEPOSIT, 0, 0);
        assertAccount(provider, BOND, 0, 0);
    }

    function nothingIsLeftOf(IConcentDeposit.Promise memory old) private {
        (bytes32 r, bytes32 vs) = signPromise(requestorKey, old);
        (bytes32 receiptR, bytes32 receiptVs) = signReceipt(providerKey, requestor, old);
        bytes memory ruling = signRuling(judgeKey, old, AMOUNT);
        bytes memory usedUp = abi.encodeWithSelector(IConcentDeposit.UsedUp.selector, requestor, provider, old.nonce);
        vm.warp(old.deadline - 1 days);
        vm.expectRevert(usedUp);
        concent.rule(old, r, vs, AMOUNT, EVIDENCE, ruling);
        vm.expectRevert(usedUp);
        concent.void(old, r, vs, receiptR, receiptVs);
        vm.prank(provider);
        vm.expectRevert(usedUp);
        concent.claim(old, r, vs, AMOUNT, 0);
        vm.expectPartialRevert(IConcentDeposit.NoClaim.selector);
        concent.settle(requestor, old);
    }
}
