// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {GameTest} from "./ConcentGame.t.sol";
import {IConcentDeposit} from "../../src/interfaces/IConcentDeposit.sol";

/// What is no combination of three: receipts, friends, leagues, and the daily limit. The second table of
/// `docs/SECURITY.md`.
contract ConcentStoriesTest is GameTest {
    uint96 private constant REST = 4 ether;

    address private friend = makeAddr("friend");
    IConcentDeposit.Promise private toFriend;

    // Receipts

    /// The deal was paid, and the provider claims it once more while the requestor sleeps: whoever has the receipt
    /// earns the cover, and Concent is not asked.
    function test_paid_twice_is_stopped_by_anybody_with_the_receipt() public {
        payByVoucher();
        IConcentDeposit.Promise memory p = promised();
        claim(p, AMOUNT);
        void(p);
        end(-10 ether + int96(FEE), 10 ether - int96(BOND), 0, int96(COVER));
    }

    function test_paid_twice_is_stopped_by_the_requestor_with_the_receipt() public {
        payByVoucher();
        IConcentDeposit.Promise memory p = promised();
        claim(p, AMOUNT);
        voidBy(requestor, p);
        end(-10 ether + int96(BOND), 10 ether - int96(BOND), 0, 0);
    }

    /// Also after the requestor contested, and whatever Concent would say.
    function test_paid_twice_is_stopped_while_contested() public {
        payByVoucher();
        IConcentDeposit.Promise memory p = promised();
        claim(p, AMOUNT);
        contest(p);
        voidBy(requestor, p);
        end(-10 ether + int96(BOND), 10 ether - int96(BOND), 0, 0);
    }

    /// Nobody shows the receipt in time. Afterwards it is worth nothing.
    function test_paid_twice_succeeds_while_everybody_sleeps() public {
        payByVoucher();
        IConcentDeposit.Promise memory p = promised();
        claim(p, AMOUNT);
        skip(CONTEST_WINDOW);
        concent.settle(requestor, p);
        end(-20 ether, 20 ether, 0, 0);
    }

    /// A requestor that does not trust Concent shows each receipt when it gets it.
    function test_a_receipt_shown_at_once_leaves_Concent_nothing_to_rule_on() public {
        payByVoucher();
        IConcentDeposit.Promise memory p = promised();
        voidBy(requestor, p);
        bytes memory reason = abi.encodeWithSelector(IConcentDeposit.UsedUp.selector, requestor, provider, NONCE);
        refusesRuling(p, AMOUNT, reason);
        end(-10 ether, 10 ether, 0, 0);
    }

    // A requestor and its friend

    /// What is promised to many is there once: a friend that claims first leaves nothing, and costs the pair nothing.
    function test_a_friend_that_claims_first_empties_the_deposit() public {
        friendClaims(DEPOSIT);
        IConcentDeposit.Promise memory p = promised();
        (bytes32 r, bytes32 vs) = signPromise(requestorKey, p);
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.TooLittle.selector, requestor, 0, AMOUNT));
        vm.prank(provider);
        concent.claim(p, r, vs, AMOUNT, AMOUNT);
        friendIsPaid();
        assertEq(gnt.balanceOf(friend) + concent.account(friend).deposit, DEPOSIT + BOND, "all of it, for nothing");
        friendLeaves();
        end(-int96(DEPOSIT), 0, 0, 0);
    }

    /// Where the friend left something, the provider can have that: it says with `reservedMin` whether it is enough.
    function test_a_friend_that_claims_first_leaves_the_rest() public {
        friendClaims(DEPOSIT - REST);
        IConcentDeposit.Promise memory p = promised();
        (bytes32 r, bytes32 vs) = signPromise(requestorKey, p);
        vm.prank(provider);
        concent.claim(p, r, vs, AMOUNT, REST);
        friendIsPaid();
        concent.settle(requestor, p);
        friendLeaves();
        end(-int96(DEPOSIT), int96(REST), 0, 0);
    }

    /// First come, first served holds for the provider too: what it claimed is reserved.
    function test_a_friend_that_claims_second_takes_nothing_of_the_provider() public {
        IConcentDeposit.Promise memory p = promised();
        claim(p, AMOUNT);
        friendClaims(DEPOSIT - AMOUNT);
        friendIsPaid();
        concent.settle(requestor, p);
        friendLeaves();
        end(-int96(DEPOSIT), int96(AMOUNT), 0, 0);
    }

    /// Nor can the requestor take out what is claimed, if the deadline is before its unlock.
    function test_a_requestor_that_leaves_is_too_slow_for_a_provider_that_checked_the_deadline() public {
        IConcentDeposit.Promise memory p = promised();
        vm.prank(requestor);
        concent.unlock();
        vm.warp(p.deadline);
        claim(p, AMOUNT);
        skip(CONTEST_WINDOW);
        concent.settle(requestor, p);
        end(-10 ether, 10 ether, 0, 0);
    }

    /// A provider that did not check it comes too late.
    function test_a_requestor_that_leaves_is_faster_than_a_late_deadline() public {
        IConcentDeposit.Promise memory p = promised();
        p.deadline += WITHDRAW_DELAY;
        vm.startPrank(requestor);
        concent.unlock();
        skip(WITHDRAW_DELAY);
        concent.withdraw(DEPOSIT);
        vm.stopPrank();
        (bytes32 r, bytes32 vs) = signPromise(requestorKey, p);
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.TooLittle.selector, requestor, 0, AMOUNT));
        vm.prank(provider);
        concent.claim(p, r, vs, AMOUNT, AMOUNT);
        end(0, 0, 0, 0);
    }

    // A claim of more than is due

    /// Half the work was done and all of it claimed: the half is paid, and the bond is lost.
    function test_a_claim_of_more_than_is_due_costs_the_bond() public {
        IConcentDeposit.Promise memory p = promised();
        claim(p, AMOUNT);
        contest(p);
        rule(p, AMOUNT / 2);
        end(-int96(AMOUNT / 2) + int96(COVER), int96(AMOUNT / 2) - int96(BOND), int96(FEE), 0);
    }

    /// Claimed at its worth, the same is paid in full, and the requestor that contests it pays.
    function test_a_claim_of_what_is_due_is_safe() public {
        IConcentDeposit.Promise memory p = promised();
        claim(p, AMOUNT / 2);
        contest(p);
        rule(p, AMOUNT / 2);
        end(-int96(AMOUNT / 2) - int96(BOND), int96(AMOUNT / 2) + int96(COVER), int96(FEE), 0);
    }

    // Leagues with Concent, and thieves of its keys

    /// Concent and a provider in league: what was promised to it, at once, and no more.
    function test_Concent_and_a_provider_take_at_most_what_was_promised() public {
        IConcentDeposit.Promise memory p = promised();
        refusesRuling(p, AMOUNT + 1, abi.encodeWithSelector(IConcentDeposit.BadAmount.selector, AMOUNT + 1, AMOUNT));
        rule(p, AMOUNT);
        refusesRuling(p, AMOUNT, abi.encodeWithSelector(IConcentDeposit.UsedUp.selector, requestor, provider, NONCE));
        end(-10 ether, 10 ether, 0, 0);
    }

    /// Of however many promises: never more than the deposit.
    function test_Concent_and_a_provider_take_at_most_the_deposit() public {
        uint256 nonce;
        for (; nonce < DEPOSIT / AMOUNT; ++nonce) {
            rule(promised(nonce), AMOUNT);
        }
        bytes memory reason = abi.encodeWithSelector(IConcentDeposit.TooLittle.selector, requestor, 0, AMOUNT);
        refusesRuling(promised(nonce), AMOUNT, reason);
        end(-int96(DEPOSIT), int96(DEPOSIT), 0, 0);
    }

    /// Of however many requestors: never more than the daily limit, which leaves them the time to leave.
    function test_Concent_and_providers_take_at_most_the_daily_limit_in_a_day() public {
        uint256 rulings = DAILY_LIMIT / DEPOSIT;
        uint256 taken;
        for (uint256 i; i <= rulings; ++i) {
            (requestor, requestorKey) = makeAddrAndKey(string.concat("requestor ", vm.toString(i)));
            gnt.transfer(requestor, DEPOSIT);
            deposit(requestor, DEPOSIT);
            IConcentDeposit.Promise memory p = promised();
            p.amount = DEPOSIT;
            if (i < rulings) {
                rule(p, DEPOSIT);
                taken += DEPOSIT;
                continue;
            }
            refusesRuling(
                p,
                DEPOSIT,
                abi.encodeWithSelector(IConcentDeposit.DailyLimitReached.selector, DAILY_LIMIT, DEPOSIT, DAILY_LIMIT)
            );
        }
        assertEq(taken, DAILY_LIMIT);
        assertEq(gnt.balanceOf(provider), FUNDS - BOND + DAILY_LIMIT);
    }

    /// Concent and a requestor in league: the work, and the bond of the claim.
    function test_Concent_and_a_requestor_take_at_most_the_work_and_the_bond() public {
        IConcentDeposit.Promise memory p = promised();
        claim(p, AMOUNT);
        contest(p);
        rule(p, 0);
        end(int96(COVER), -int96(BOND), int96(FEE), 0);
    }

    /// Concent alone, with all its keys and without a promise or a contest, moves nothing.
    function test_Concent_alone_moves_nothing() public {
        IConcentDeposit.Promise memory p = promised();
        p.provider = treasury;
        (bytes32 r, bytes32 vs) = signPromise(judgeKey, p);
        bytes memory signatures = signRuling(judgeKey, p, AMOUNT);
        vm.expectPartialRevert(IConcentDeposit.TooLittle.selector);
        concent.rule(p, r, vs, AMOUNT, EVIDENCE, signatures);
        p = promised();
        claim(p, AMOUNT);
        bytes32 digest = concent.promiseDigest(p);
        refusesRuling(p, 0, abi.encodeWithSelector(IConcentDeposit.NotContested.selector, requestor, digest));
        contest(p);
        skip(RULING_WINDOW);
        concent.settle(requestor, p);
        end(0, 0, 0, 0);
    }

    /// The limit is one for all: where others' rulings fill it up to the end of the window, a claim that Concent has
    /// granted lapses. Concent rations what it signs; nobody else can.
    function test_a_claim_lapses_while_others_fill_the_daily_limit() public {
        uint96 most = DAILY_LIMIT;
        (address other, uint256 otherKey) = makeAddrAndKey("a large requestor");
        gnt.transfer(other, 10 * most);
        deposit(other, 10 * most);
        IConcentDeposit.Promise memory p = promised();
        claim(p, AMOUNT);
        contest(p);
        uint256 contested = vm.getBlockTimestamp();
        for (uint256 day; day < 4; ++day) {
            fill(other, otherKey, most, day);
            refusesRuling(
                p,
                AMOUNT,
                abi.encodeWithSelector(
                    IConcentDeposit.DailyLimitReached.selector, DAILY_LIMIT, AMOUNT + BOND, DAILY_LIMIT
                )
            );
            if (vm.getBlockTimestamp() + 1 days >= contested + RULING_WINDOW) break;
            skip(1 days);
        }
        vm.warp(contested + RULING_WINDOW);
        concent.settle(requestor, p);
        assertAccount(requestor, DEPOSIT, 0, 0);
        assertAccount(provider, BOND, 0, 0);
    }

    // Helpers

    /// A ruling of a whole day's limit, between two others.
    function fill(address other, uint256 otherKey, uint96 most, uint256 nonce) private {
        IConcentDeposit.Promise memory p = promised(nonce);
        (p.provider, p.amount) = (friend, most);
        bytes32 digest = concent.promiseDigest(p);
        (bytes32 r, bytes32 vs) = vm.signCompact(otherKey, digest);
        bytes memory signatures = packed(judgeKey, concent.rulingDigest(other, digest, most, EVIDENCE));
        concent.rule(p, r, vs, most, EVIDENCE, signatures);
    }

    /// A friend of the requestor, with a bond of its own, claims what it never worked for.
    function friendClaims(uint96 amount) private {
        gnt.transfer(friend, BOND);
        deposit(friend, BOND);
        toFriend = promised();
        (toFriend.provider, toFriend.amount) = (friend, amount);
        claim(toFriend, amount);
    }

    function friendIsPaid() private {
        skip(CONTEST_WINDOW);
        concent.settle(requestor, toFriend);
    }

    function friendLeaves() private {
        vm.startPrank(friend);
        concent.unlock();
        skip(WITHDRAW_DELAY);
        concent.withdraw(BOND);
        vm.stopPrank();
    }

    function voidBy(address who, IConcentDeposit.Promise memory p) private {
        (bytes32 r, bytes32 vs) = signPromise(requestorKey, p);
        (bytes32 receiptR, bytes32 receiptVs) = signReceipt(providerKey, requestor, p);
        vm.prank(who);
        concent.void(p, r, vs, receiptR, receiptVs);
    }

    function refusesRuling(IConcentDeposit.Promise memory p, uint96 amount, bytes memory reason) private {
        (bytes32 r, bytes32 vs) = signPromise(requestorKey, p);
        bytes memory signatures = signRuling(judgeKey, p, amount);
        vm.expectRevert(reason);
        concent.rule(p, r, vs, amount, EVIDENCE, signatures);
    }
}
