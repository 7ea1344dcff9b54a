// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {GNT} from "../../../src/GNT.sol";
import {IConcentDeposit} from "../../../src/interfaces/IConcentDeposit.sol";
import {ConcentTest} from "../../ConcentTest.sol";

contract ConcentOnTransferReceivedTest is ConcentTest {
    function testFuzz_refuses_any_caller_but_the_token(address caller, uint96 amount) public {
        vm.assume(caller != address(gnt));
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.NotTheToken.selector, caller, gnt));
        vm.prank(caller);
        concent.onTransferReceived(requestor, requestor, amount, "");
    }

    function test_refuses_another_token() public {
        GNT other = new GNT(requestor);
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.NotTheToken.selector, other, gnt));
        vm.prank(requestor);
        other.transferAndCall(address(concent), 5);
    }

    function testFuzz_refuses_an_operator_that_is_not_the_owner(uint96 amount) public {
        amount = uint96(bound(amount, 1, FUNDS - DEPOSIT));
        vm.prank(requestor);
        gnt.approve(stranger, amount);
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.NotTheOwner.selector, stranger, requestor));
        vm.prank(stranger);
        gnt.transferFromAndCall(requestor, address(concent), amount);
    }

    function testFuzz_refuses_data(bytes memory data) public {
        vm.assume(data.length != 0);
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.BadLength.selector, data.length));
        vm.prank(requestor);
        gnt.transferAndCall(address(concent), 1, data);
    }

    function test_refuses_zero_amount() public {
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.BadAmount.selector, 0, DEPOSIT_MAX));
        vm.prank(requestor);
        gnt.transferAndCall(address(concent), 0);
    }

    function testFuzz_refuses_more_than_an_account_may_have_free(uint256 amount) public {
        uint256 room = DEPOSIT_MAX - DEPOSIT;
        amount = bound(amount, room + 1, 1e27 - 2 * uint256(FUNDS) - FUNDS);
        gnt.transfer(requestor, amount);
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.DepositTooLarge.selector, DEPOSIT + amount, DEPOSIT_MAX));
        vm.prank(requestor);
        gnt.transferAndCall(address(concent), amount);
    }

    function testFuzz_deposits_with_no_allowance_left_behind(uint96 amount) public {
        amount = uint96(bound(amount, 1, FUNDS));
        vm.expectEmit(address(concent));
        emit IConcentDeposit.Deposited(stranger, amount);
        deposit(stranger, amount);
        assertAccount(stranger, amount, 0, 0);
        assertEq(gnt.allowance(stranger, address(concent)), 0);
        assertEq(gnt.balanceOf(stranger), FUNDS - amount);
    }

    function test_locks_again() public {
        vm.prank(requestor);
        concent.unlock();
        deposit(requestor, 1);
        assertAccount(requestor, DEPOSIT + 1, 0, 0);
    }
}
