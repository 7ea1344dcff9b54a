// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ConcentDeposit} from "../../src/ConcentDeposit.sol";
import {GNT} from "../../src/GNT.sol";
import {IConcentDeposit} from "../../src/interfaces/IConcentDeposit.sol";
import {ConcentActors} from "./ConcentActors.sol";

/// What `ConcentDeposit` holds, whatever happens in whatever order.
/// forge-config: default.invariant.depth = 128
contract ConcentInvariants is Test {
    uint96 private constant DAILY_LIMIT = 20 ether;

    GNT private gnt;
    ConcentDeposit private concent;
    ConcentActors private actors;
    address private treasury = makeAddr("treasury");

    function setUp() public {
        vm.warp(1000 days);
        gnt = new GNT(address(this));
        IConcentDeposit.Terms memory terms = IConcentDeposit.Terms({
            token: IERC20(gnt),
            treasury: treasury,
            withdrawDelay: 2 days,
            contestWindow: 1 days,
            rulingWindow: 3 days,
            rotationDelay: 6 days,
            fee: 2 ether,
            cover: 1 ether,
            dailyLimit: DAILY_LIMIT,
            depositMax: 500 ether
        });
        address[] memory keys = new address[](1);
        keys[0] = vm.addr(uint256(keccak256(abi.encode("judge", 0))));
        concent = new ConcentDeposit(terms, keys, 1);
        actors = new ConcentActors(gnt, concent, treasury);
        for (uint256 i; i < actors.PARTIES(); ++i) {
            gnt.transfer(actors.parties(i), actors.FUNDS());
            actors.deposit(i, 300 ether, false);
        }
        gnt.transfer(address(actors), 100 ether);
        targetContract(address(actors));
    }

    /// The balance is at least what all accounts hold, and tokens that came without a word change nothing of that.
    function invariant_balance_covers_all_accounts() public view {
        uint256 owed;
        for (uint256 i; i <= actors.PARTIES(); ++i) {
            owed += concent.account(actors.parties(i)).deposit;
        }
        assertGe(gnt.balanceOf(address(concent)), owed);
    }

    /// What is reserved in an account is never more than it holds, and exactly what its open claims and bonds need.
    function invariant_reserved_is_what_is_at_stake() public view {
        uint256[] memory stakes = new uint256[](actors.PARTIES() + 1);
        for (uint256 i; i < actors.promiseCount(); ++i) {
            ConcentActors.Signed memory s = actors.signed(i);
            IConcentDeposit.Claim memory c = concent.claimOf(s.requestor, s.digest);
            assertEq(uint8(c.stage), uint8(s.stage), "stage");
            if (c.stage == IConcentDeposit.Stage.None) continue;
            assertEq(c.amount, s.amount, "amount");
            assertEq(c.reserved, s.reserved, "reserved");
            assertEq(c.due, s.due, "due");
            bool contested = c.stage == IConcentDeposit.Stage.Contested;
            stakes[indexOf(s.requestor)] += c.reserved + (contested ? 3 ether : 0);
            stakes[indexOf(s.promised.provider)] += 3 ether;
        }
        for (uint256 i; i < stakes.length; ++i) {
            IConcentDeposit.Account memory a = concent.account(actors.parties(i));
            assertLe(a.reserved, a.deposit);
            assertEq(a.reserved, stakes[i]);
        }
    }

    /// Every account and every wallet is what a follower of the rules computes: nobody's times are moved by others, and
    /// nothing leaves without its owner's signature or the stated timeout.
    function invariant_nothing_moves_without_its_owners_signature_or_the_stated_timeout() public view {
        for (uint256 i; i <= actors.PARTIES(); ++i) {
            address party = actors.parties(i);
            IConcentDeposit.Account memory a = concent.account(party);
            ConcentActors.Known memory k = actors.known(party);
            assertEq(a.deposit, k.deposit, "deposit");
            assertEq(a.reserved, k.reserved, "reserved");
            assertEq(a.unlockAt, k.unlockAt, "unlockAt");
            assertEq(gnt.balanceOf(party), k.held, "held");
        }
    }

    function invariant_a_promise_pays_at_most_once_and_what_was_promised() public view {
        for (uint256 i; i < actors.promiseCount(); ++i) {
            ConcentActors.Signed memory s = actors.signed(i);
            assertLe(s.timesPaid, 1);
            assertLe(s.paid, s.promised.amount);
            bool usedUp = concent.isUsedUp(s.requestor, s.promised.provider, s.promised.nonce);
            if (s.timesPaid != 0) assertTrue(usedUp);
        }
    }

    function invariant_rulings_move_at_most_the_daily_limit() public view {
        uint256 moved = concent.movedToday();
        assertLe(moved, DAILY_LIMIT);
        assertEq(moved, actors.movedOn(vm.getBlockTimestamp() / 1 days));
    }

    function invariant_total_supply_is_constant_and_all_held() public view {
        uint256 held = gnt.balanceOf(address(this)) + gnt.balanceOf(address(actors)) + gnt.balanceOf(address(concent));
        for (uint256 i; i <= actors.PARTIES(); ++i) {
            held += gnt.balanceOf(actors.parties(i));
        }
        assertEq(gnt.totalSupply(), 1e27);
        assertEq(held, 1e27);
    }

    /// From wherever a run ended, everybody gets out what it has: claims end by their windows without anybody's help.
    function afterInvariant() public {
        uint256 last = vm.getBlockTimestamp();
        for (uint256 i; i <= actors.PARTIES(); ++i) {
            IConcentDeposit.Account memory a = concent.account(actors.parties(i));
            vm.prank(actors.parties(i));
            if (a.deposit != 0 && a.unlockAt == 0) concent.unlock();
        }
        skip(2 days + 3 days);
        uint256[] memory paid = new uint256[](actors.PARTIES() + 1);
        for (uint256 i; i < actors.promiseCount(); ++i) {
            ConcentActors.Signed memory s = actors.signed(i);
            if (s.stage == IConcentDeposit.Stage.None) continue;
            assertLe(s.due, last + 3 days);
            concent.settle(s.requestor, s.promised);
            if (s.stage == IConcentDeposit.Stage.Open) paid[indexOf(s.promised.provider)] += s.reserved;
        }
        for (uint256 i; i <= actors.PARTIES(); ++i) {
            address party = actors.parties(i);
            IConcentDeposit.Account memory a = concent.account(party);
            assertEq(a.reserved, 0, "something is at stake for ever");
            vm.prank(party);
            if (a.deposit != 0) concent.withdraw(a.deposit);
            assertEq(gnt.balanceOf(party), actors.known(party).held + paid[i] + a.deposit, "somebody could not leave");
        }
    }

    function indexOf(address party) private view returns (uint256 i) {
        while (actors.parties(i) != party) ++i;
    }
}
