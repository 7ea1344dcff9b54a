// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {GNT} from "../../../src/GNT.sol";
import {ChannelsTest} from "../../ChannelsTest.sol";

contract GNTTransferTest is ChannelsTest {
    function test_refuses_to_give_the_supply_to_nobody() public {
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InvalidReceiver.selector, address(0)));
        new GNT(address(0));
    }

    function test_starts_with_the_whole_supply_in_one_hand() public {
        vm.expectEmit();
        emit IERC20.Transfer(address(0), payer, 1e27);
        GNT fresh = new GNT(payer);
        assertEq(fresh.totalSupply(), 1e27);
        assertEq(fresh.balanceOf(payer), 1e27);
        assertEq(fresh.name(), "Golem Network Token");
        assertEq(fresh.symbol(), "GNT");
        assertEq(fresh.decimals(), 18);
    }

    function testFuzz_refuses_zero_address(uint96 amount) public {
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InvalidReceiver.selector, address(0)));
        vm.prank(payer);
        gnt.transfer(address(0), amount);
    }

    function testFuzz_refuses_more_than_is_held(uint256 amount) public {
        amount = bound(amount, uint256(FUNDS) + 1, type(uint256).max);
        bytes memory refusal =
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, payer, FUNDS, amount);
        vm.expectRevert(refusal);
        vm.prank(payer);
        gnt.transfer(payee, amount);

        vm.prank(payer);
        gnt.approve(stranger, type(uint256).max);
        vm.expectRevert(refusal);
        vm.prank(stranger);
        gnt.transferFrom(payer, payee, amount);
    }

    function testFuzz_transferFrom_refuses_more_than_was_approved(uint96 approved, uint256 amount) public {
        approved = uint96(bound(approved, 0, FUNDS - 1));
        amount = bound(amount, uint256(approved) + 1, FUNDS);
        vm.prank(payer);
        gnt.approve(stranger, approved);
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, stranger, approved, amount)
        );
        vm.prank(stranger);
        gnt.transferFrom(payer, payee, amount);
    }

    function testFuzz_moves_what_it_says(uint96 amount) public {
        amount = uint96(bound(amount, 0, FUNDS));
        vm.expectEmit();
        emit IERC20.Transfer(payer, stranger, amount);
        vm.prank(payer);
        assertTrue(gnt.transfer(stranger, amount));
        assertEq(gnt.balanceOf(payer), FUNDS - amount);
        assertEq(gnt.balanceOf(stranger), amount);
    }

    function testFuzz_transfer_to_oneself_changes_nothing(uint96 amount) public {
        amount = uint96(bound(amount, 0, FUNDS));
        vm.prank(payer);
        gnt.transfer(payer, amount);
        assertEq(gnt.balanceOf(payer), FUNDS);
    }

    function testFuzz_transferFrom_moves_and_uses_up_the_allowance(uint96 approved, uint96 amount) public {
        approved = uint96(bound(approved, 0, FUNDS));
        amount = uint96(bound(amount, 0, approved));
        vm.prank(payer);
        gnt.approve(stranger, approved);
        vm.prank(stranger);
        assertTrue(gnt.transferFrom(payer, payee, amount));
        assertEq(gnt.balanceOf(payee), uint256(amount) + 1);
        assertEq(gnt.allowance(payer, stranger), approved - amount);
    }
}
