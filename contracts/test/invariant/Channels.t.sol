// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {GNT} from "../../src/GNT.sol";
import {PaymentChannels} from "../../src/PaymentChannels.sol";
import {IPaymentChannels} from "../../src/interfaces/IPaymentChannels.sol";
import {Actors} from "./Actors.sol";

/// What `PaymentChannels` and `GNT` hold, whatever happens in whatever order.
contract ChannelsInvariants is Test {
    GNT private gnt;
    PaymentChannels private channels;
    Actors private actors;

    function setUp() public {
        gnt = new GNT(address(this));
        channels = new PaymentChannels(gnt, 1 hours);
        actors = new Actors(gnt, channels, new PaymentChannels(gnt, 1 hours));
        for (uint256 i; i < actors.PARTIES(); ++i) {
            gnt.transfer(actors.parties(i), actors.FUNDS());
        }
        gnt.transfer(address(actors), 100 ether);
        targetContract(address(actors));
    }

    /// The balance is at least what is owed, and tokens that came without a word change nothing of that.
    function invariant_balance_covers_all_that_is_owed() public view {
        uint256 owed;
        for (uint256 i; i < actors.PARTIES(); ++i) {
            for (uint256 j; j < actors.PARTIES(); ++j) {
                IPaymentChannels.Channel memory c = channels.channel(actors.parties(i), actors.parties(j));
                owed += c.deposit - c.claimed;
            }
        }
        assertGe(gnt.balanceOf(address(channels)), owed);
    }

    function invariant_claimed_never_passes_deposit_or_highest_signed_amount() public view {
        forEachPair(claimedWithinBounds);
    }

    function claimedWithinBounds(IPaymentChannels.Channel memory c, Actors.Known memory k) private pure {
        assertLe(c.claimed, c.deposit);
        assertLe(c.claimed, k.signed);
    }

    /// Claimed only grows, the epoch only grows, and a close is what was asked for: the word in storage is at each
    /// moment what a follower of the rules computes.
    function invariant_every_channel_is_what_its_history_makes_it() public view {
        forEachPair(sameAsKnown);
    }

    function sameAsKnown(IPaymentChannels.Channel memory c, Actors.Known memory k) private pure {
        assertEq(c.claimed, k.claimed, "claimed");
        assertEq(c.deposit, k.deposit, "deposit");
        assertEq(c.closeAt, k.closeAt, "closeAt");
        assertEq(c.epoch, k.epoch, "epoch");
    }

    /// Over all epochs a payee gets no more than was deposited for it and not returned.
    function invariant_no_voucher_pays_in_two_epochs() public view {
        forEachPair(paidWithinDeposits);
    }

    function paidWithinDeposits(IPaymentChannels.Channel memory c, Actors.Known memory k) private pure {
        assertEq(k.payableInAll - k.paidInAll, c.deposit - c.claimed);
    }

    /// A valid voucher pays until `finalize`, a forged one or one of another contract never does, and who leaves gets
    /// the rest: seen by the actors at each step.
    function invariant_nothing_moves_without_its_owners_signature_or_the_stated_timeout() public view {
        assertEq(actors.violation(), "");
    }

    function invariant_total_supply_is_constant_and_all_held() public view {
        uint256 held = gnt.balanceOf(address(this)) + gnt.balanceOf(address(actors)) + gnt.balanceOf(address(channels));
        for (uint256 i; i < actors.PARTIES(); ++i) {
            held += gnt.balanceOf(actors.parties(i));
        }
        assertEq(gnt.totalSupply(), 1e27);
        assertEq(held, 1e27);
    }

    /// From wherever a run ended, every payer gets its money out within the delay.
    function afterInvariant() public {
        for (uint256 i; i < actors.PARTIES(); ++i) {
            address payer = actors.parties(i);
            uint256 due = gnt.balanceOf(payer);
            for (uint256 j; j < actors.PARTIES(); ++j) {
                address payee = actors.parties(j);
                IPaymentChannels.Channel memory c = channels.channel(payer, payee);
                due += c.deposit - c.claimed;
                if (c.deposit == 0 || c.closeAt != 0) continue;
                vm.prank(payer);
                channels.requestClose(payee);
            }
            skip(channels.CLOSE_DELAY());
            for (uint256 j; j < actors.PARTIES(); ++j) {
                if (channels.channel(payer, actors.parties(j)).deposit == 0) continue;
                channels.finalize(payer, actors.parties(j));
            }
            assertEq(gnt.balanceOf(payer), due, "a payer could not leave with its money");
        }
    }

    function forEachPair(function(IPaymentChannels.Channel memory, Actors.Known memory) pure check) private view {
        for (uint256 i; i < actors.PARTIES(); ++i) {
            for (uint256 j; j < actors.PARTIES(); ++j) {
                (address payer, address payee) = (actors.parties(i), actors.parties(j));
                check(channels.channel(payer, payee), actors.known(payer, payee));
            }
        }
    }
}
