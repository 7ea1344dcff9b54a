// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {IConcentDeposit} from "../../../src/interfaces/IConcentDeposit.sol";
import {ConcentTest} from "../../ConcentTest.sol";

contract WithdrawTest is ConcentTest {
    function testFuzz_refuses_a_locked_account(uint96 amount, uint256 wait) public {
        skip(bound(wait, 0, 10 * uint256(WITHDRAW_DELAY)));
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.Locked.selector, requestor));
        vm.prank(requestor);
        concent.withdraw(amount);
    }

    function testFuzz_refuses_before_the_delay_is_over(uint96 amount, uint256 wait) public {
        uint256 unlocked = vm.getBlockTimestamp();
        vm.startPrank(requestor);
        concent.unlock();
        wait = bound(wait, 0, WITHDRAW_DELAY - 1);
        skip(wait);
        vm.expectRevert(
            abi.encodeWithSelector(IConcentDeposit.TooEarly.selector, unlocked + WITHDRAW_DELAY, unlocked + wait)
        );
        concent.withdraw(amount);
    }

    function testFuzz_refuses_nothing_and_more_than_is_free(uint96 claimed, uint96 amount) public {
        claimed = uint96(bound(claimed, 1, AMOUNT));
        claim(promised(), claimed);
        uint96 free = DEPOSIT - claimed;
        amount = uint96(bound(amount, free + 1, type(uint96).max));
        vm.startPrank(requestor);
        concent.unlock();
        skip(WITHDRAW_DELAY);
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.BadAmount.selector, 0, free));
        concent.withdraw(0);
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.TooLittle.selector, requestor, free, amount));
        concent.withdraw(amount);
        concent.withdraw(free);
        assertAccount(requestor, claimed, claimed, vm.getBlockTimestamp());
    }

    function testFuzz_pays_out(uint96 first, uint96 second, uint256 late) public {
        first = uint96(bound(first, 1, DEPOSIT - 1));
        second = uint96(bound(second, 1, DEPOSIT - first));
        uint256 unlockAt = vm.getBlockTimestamp() + WITHDRAW_DELAY;
        vm.startPrank(requestor);
        concent.unlock();
        vm.warp(unlockAt + bound(late, 0, 10 * uint256(WITHDRAW_DELAY)));
        vm.expectEmit(address(concent));
        emit IConcentDeposit.Withdrawn(requestor, first);
        concent.withdraw(first);
        assertAccount(requestor, DEPOSIT - first, 0, unlockAt);
        concent.withdraw(second);
        assertAccount(requestor, DEPOSIT - first - second, 0, unlockAt);
        assertEq(gnt.balanceOf(requestor), FUNDS - DEPOSIT + first + second);
        assertAccount(provider, BOND, 0, 0);
    }

    /// A bond is as much at stake as what a requestor promised.
    function test_a_provider_gets_no_bond_out_while_it_claims() public {
        IConcentDeposit.Promise memory p = promised();
        vm.prank(provider);
        concent.unlock();
        claim(p, AMOUNT);
        skip(WITHDRAW_DELAY);
        vm.prank(provider);
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.TooLittle.selector, provider, 0, BOND));
        concent.withdraw(BOND);
        concent.settle(requestor, p);
        vm.prank(provider);
        concent.withdraw(BOND);
        assertEq(gnt.balanceOf(provider), FUNDS + AMOUNT);
    }
}
