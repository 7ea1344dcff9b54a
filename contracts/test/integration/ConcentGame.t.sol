// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {ConcentTest} from "../ConcentTest.sol";
import {PaymentChannels} from "../../src/PaymentChannels.sol";
import {IConcentDeposit} from "../../src/interfaces/IConcentDeposit.sol";

/// Parties to a deal with a promise, each with tokens in a wallet, a deposit, and a channel from requestor to provider.
/// Afterwards everybody takes out whatever it has, so that what is compared is what it has in the end.
abstract contract GameTest is ConcentTest {
    PaymentChannels internal channels;
    address[4] private parties;
    uint256[4] private started;

    function setUp() public virtual override {
        super.setUp();
        channels = new PaymentChannels(gnt, WITHDRAW_DELAY);
        vm.prank(requestor);
        gnt.transferAndCall(address(channels), AMOUNT, abi.encodePacked(AMOUNT, provider));
        parties = [requestor, provider, treasury, stranger];
        started = [FUNDS, FUNDS, 0, FUNDS];
    }

    /// Pays the deal as it should be paid, by a voucher that the provider claims.
    function payByVoucher() internal {
        (bytes32 r, bytes32 vs) = vm.signCompact(requestorKey, channels.voucherDigest(provider, AMOUNT, 1));
        channels.claimMany(provider, abi.encodePacked(AMOUNT, uint32(1), r, vs));
    }

    /// What requestor, provider, treasury and whoever submitted have more than at first, or less, once all have left.
    function end(int256 ofRequestor, int256 ofProvider, int256 ofTreasury, int256 ofSubmitter) internal {
        uint96 claimed = channels.channel(requestor, provider).claimed;
        vm.prank(provider);
        channels.close(requestor, claimed, 1, 0, 0);
        for (uint256 i; i < parties.length; ++i) {
            if (concent.account(parties[i]).deposit == 0) continue;
            if (concent.account(parties[i]).unlockAt != 0) continue;
            vm.prank(parties[i]);
            concent.unlock();
        }
        skip(WITHDRAW_DELAY);
        int256[4] memory expected = [ofRequestor, ofProvider, ofTreasury, ofSubmitter];
        string[4] memory names = ["requestor", "provider", "treasury", "submitter"];
        for (uint256 i; i < parties.length; ++i) {
            uint96 left = concent.account(parties[i]).deposit;
            vm.prank(parties[i]);
            if (left != 0) concent.withdraw(left);
            assertEq(int256(gnt.balanceOf(parties[i])) - int256(started[i]), expected[i], names[i]);
        }
        assertEq(gnt.balanceOf(address(concent)), 0, "nothing is left");
        assertEq(gnt.balanceOf(address(channels)), 0, "nor in the channel");
    }
}

/// Every combination of honest, cheating and silent, as in the table of `docs/SECURITY.md`.
contract ConcentGameTest is GameTest {
    /// What a party does, where its turn comes:
    ///
    ///     requestor  honest    pays for what was done, and contests a claim for what was not
    ///                cheating  pays nothing, and contests every claim
    ///                silent    does nothing after the agreement
    ///     provider   honest    does the work, and claims it where it is not paid
    ///                cheating  does nothing, and claims all the same
    ///                silent    does nothing after the agreement
    ///     Concent    honest    rules on a contested claim as it is
    ///                cheating  rules whenever it can: against the work that was done, for what was not owed
    ///                silent    never rules
    enum Play {
        Honest,
        Cheating,
        Silent
    }

    /// Paid by voucher; the promise is never used.
    function test_requestor_honest_provider_honest_concent_honest() public {
        plays(Play.Honest, Play.Honest, Play.Honest);
        end(-10 ether, 10 ether, 0, 0);
    }

    /// Paid by voucher, and once more by a ruling: what a requestor that keeps its receipt to itself risks.
    function test_requestor_honest_provider_honest_concent_cheating() public {
        plays(Play.Honest, Play.Honest, Play.Cheating);
        end(-20 ether, 20 ether, 0, 0);
    }

    /// Paid by voucher.
    function test_requestor_honest_provider_honest_concent_silent() public {
        plays(Play.Honest, Play.Honest, Play.Silent);
        end(-10 ether, 10 ether, 0, 0);
    }

    /// The claim is contested, and costs its maker the bond.
    function test_requestor_honest_provider_cheating_concent_honest() public {
        plays(Play.Honest, Play.Cheating, Play.Honest);
        end(1 ether, -3 ether, 2 ether, 0);
    }

    /// The promise and the bond: the most that one deal can cost.
    function test_requestor_honest_provider_cheating_concent_cheating() public {
        plays(Play.Honest, Play.Cheating, Play.Cheating);
        end(-13 ether, 11 ether, 2 ether, 0);
    }

    /// Contested, and lapsed.
    function test_requestor_honest_provider_cheating_concent_silent() public {
        plays(Play.Honest, Play.Cheating, Play.Silent);
        end(0, 0, 0, 0);
    }

    /// Nothing happens.
    function test_requestor_honest_provider_silent_concent_honest() public {
        plays(Play.Honest, Play.Silent, Play.Honest);
        end(0, 0, 0, 0);
    }

    /// A ruling for nothing.
    function test_requestor_honest_provider_silent_concent_cheating() public {
        plays(Play.Honest, Play.Silent, Play.Cheating);
        end(-10 ether, 10 ether, 0, 0);
    }

    /// Nothing happens.
    function test_requestor_honest_provider_silent_concent_silent() public {
        plays(Play.Honest, Play.Silent, Play.Silent);
        end(0, 0, 0, 0);
    }

    /// It contests, and pays with its bond.
    function test_requestor_cheating_provider_honest_concent_honest() public {
        plays(Play.Cheating, Play.Honest, Play.Honest);
        end(-13 ether, 11 ether, 2 ether, 0);
    }

    /// The provider loses its bond and its work.
    function test_requestor_cheating_provider_honest_concent_cheating() public {
        plays(Play.Cheating, Play.Honest, Play.Cheating);
        end(1 ether, -3 ether, 2 ether, 0);
    }

    /// Contested, and lapsed: the work is unpaid.
    function test_requestor_cheating_provider_honest_concent_silent() public {
        plays(Play.Cheating, Play.Honest, Play.Silent);
        end(0, 0, 0, 0);
    }

    /// No work was done: for once it contests what is wrong.
    function test_requestor_cheating_provider_cheating_concent_honest() public {
        plays(Play.Cheating, Play.Cheating, Play.Honest);
        end(1 ether, -3 ether, 2 ether, 0);
    }

    /// The cheats are ruled on wrongly.
    function test_requestor_cheating_provider_cheating_concent_cheating() public {
        plays(Play.Cheating, Play.Cheating, Play.Cheating);
        end(-13 ether, 11 ether, 2 ether, 0);
    }

    /// Contested, and lapsed.
    function test_requestor_cheating_provider_cheating_concent_silent() public {
        plays(Play.Cheating, Play.Cheating, Play.Silent);
        end(0, 0, 0, 0);
    }

    /// There is nothing to cheat about.
    function test_requestor_cheating_provider_silent_concent_honest() public {
        plays(Play.Cheating, Play.Silent, Play.Honest);
        end(0, 0, 0, 0);
    }

    /// A ruling for nothing.
    function test_requestor_cheating_provider_silent_concent_cheating() public {
        plays(Play.Cheating, Play.Silent, Play.Cheating);
        end(-10 ether, 10 ether, 0, 0);
    }

    /// Nothing happens.
    function test_requestor_cheating_provider_silent_concent_silent() public {
        plays(Play.Cheating, Play.Silent, Play.Silent);
        end(0, 0, 0, 0);
    }

    /// The claim pays by itself.
    function test_requestor_silent_provider_honest_concent_honest() public {
        plays(Play.Silent, Play.Honest, Play.Honest);
        end(-10 ether, 10 ether, 0, 0);
    }

    /// The claim pays by itself: Concent has no say in what nobody contests.
    function test_requestor_silent_provider_honest_concent_cheating() public {
        plays(Play.Silent, Play.Honest, Play.Cheating);
        end(-10 ether, 10 ether, 0, 0);
    }

    /// The claim pays by itself.
    function test_requestor_silent_provider_honest_concent_silent() public {
        plays(Play.Silent, Play.Honest, Play.Silent);
        end(-10 ether, 10 ether, 0, 0);
    }

    /// The price of silence.
    function test_requestor_silent_provider_cheating_concent_honest() public {
        plays(Play.Silent, Play.Cheating, Play.Honest);
        end(-10 ether, 10 ether, 0, 0);
    }

    /// The price of silence.
    function test_requestor_silent_provider_cheating_concent_cheating() public {
        plays(Play.Silent, Play.Cheating, Play.Cheating);
        end(-10 ether, 10 ether, 0, 0);
    }

    /// The price of silence.
    function test_requestor_silent_provider_cheating_concent_silent() public {
        plays(Play.Silent, Play.Cheating, Play.Silent);
        end(-10 ether, 10 ether, 0, 0);
    }

    /// Nothing happens.
    function test_requestor_silent_provider_silent_concent_honest() public {
        plays(Play.Silent, Play.Silent, Play.Honest);
        end(0, 0, 0, 0);
    }

    /// A ruling for nothing.
    function test_requestor_silent_provider_silent_concent_cheating() public {
        plays(Play.Silent, Play.Silent, Play.Cheating);
        end(-10 ether, 10 ether, 0, 0);
    }

    /// Nothing happens.
    function test_requestor_silent_provider_silent_concent_silent() public {
        plays(Play.Silent, Play.Silent, Play.Silent);
        end(0, 0, 0, 0);
    }

    function plays(Play ofRequestor, Play ofProvider, Play ofConcent) private {
        IConcentDeposit.Promise memory p = promised();
        bool worked = ofProvider == Play.Honest;
        bool paid = worked && ofRequestor == Play.Honest;
        if (paid) payByVoucher();
        if (paid || ofProvider == Play.Silent) {
            if (ofConcent == Play.Cheating) rule(p, AMOUNT);
            return;
        }
        claim(p, AMOUNT);
        bool contests = ofRequestor == Play.Cheating || (ofRequestor == Play.Honest && !worked);
        if (contests) contest(p);
        bool grants = (ofConcent == Play.Honest) == worked;
        if (contests && ofConcent != Play.Silent) {
            rule(p, grants ? AMOUNT : 0);
            return;
        }
        if (ofConcent == Play.Cheating && !grants) refusesToRuleAgainst(p);
        skip(contests ? RULING_WINDOW : CONTEST_WINDOW);
        vm.prank(stranger);
        concent.settle(requestor, p);
    }

    function refusesToRuleAgainst(IConcentDeposit.Promise memory p) private {
        (bytes32 r, bytes32 vs) = signPromise(requestorKey, p);
        bytes memory signatures = signRuling(judgeKey, p, 0);
        bytes32 digest = concent.promiseDigest(p);
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.NotContested.selector, requestor, digest));
        concent.rule(p, r, vs, 0, EVIDENCE, signatures);
    }
}
