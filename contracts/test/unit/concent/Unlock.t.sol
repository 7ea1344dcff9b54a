// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {IConcentDeposit} from "../../../src/interfaces/IConcentDeposit.sol";
import {ConcentTest} from "../../ConcentTest.sol";

contract UnlockTest is ConcentTest {
    function testFuzz_refuses_an_account_with_nothing(address owner) public {
        vm.assume(owner != requestor && owner != provider);
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.TooLittle.selector, owner, 0, 1));
        vm.prank(owner);
        concent.unlock();
    }

    /// Asking again must not move the time, in either direction.
    function testFuzz_refuses_a_second_time(uint256 wait) public {
        uint256 unlockAt = vm.getBlockTimestamp() + WITHDRAW_DELAY;
        vm.startPrank(requestor);
        concent.unlock();
        skip(bound(wait, 0, 10 * uint256(WITHDRAW_DELAY)));
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.AlreadyUnlocked.selector, unlockAt));
        concent.unlock();
        assertAccount(requestor, DEPOSIT, 0, unlockAt);
    }

    function testFuzz_starts_the_delay(uint96 claimed, uint256 time) public {
        claimed = uint96(bound(claimed, 1, AMOUNT));
        vm.warp(bound(time, 1, type(uint32).max));
        claim(promised(), claimed);
        uint256 unlockAt = vm.getBlockTimestamp() + WITHDRAW_DELAY;
        vm.expectEmit(address(concent));
        emit IConcentDeposit.Unlocked(requestor, uint40(unlockAt));
        vm.prank(requestor);
        concent.unlock();
        assertAccount(requestor, DEPOSIT, claimed, unlockAt);
    }
}
