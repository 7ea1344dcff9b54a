// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ChannelsTest} from "../../ChannelsTest.sol";

contract GNTBatchTransferTest is ChannelsTest {
    function testFuzz_refuses_zero_address(uint96 amount) public {
        refuses(address(0), amount);
    }

    function testFuzz_refuses_the_sender_itself(uint96 amount) public {
        refuses(payer, amount);
    }

    function refuses(address to, uint96 amount) private {
        bytes32[] memory payments = new bytes32[](2);
        payments[0] = word(1, payee);
        payments[1] = word(amount, to);
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InvalidReceiver.selector, to));
        vm.prank(payer);
        gnt.batchTransfer(payments);
        assertEq(gnt.balanceOf(payee), 1, "a refused batch pays nobody");
    }

    function testFuzz_refuses_a_sum_above_what_is_held(uint96 first, uint96 second) public {
        vm.assume(uint256(first) + second > FUNDS);
        bytes32[] memory payments = new bytes32[](2);
        payments[0] = word(first, payee);
        payments[1] = word(second, stranger);
        vm.expectRevert(
            abi.encodeWithSelector(
                IERC20Errors.ERC20InsufficientBalance.selector, payer, FUNDS, uint256(first) + second
            )
        );
        vm.prank(payer);
        gnt.batchTransfer(payments);
        assertEq(gnt.balanceOf(payee), 1);
        assertEq(gnt.balanceOf(stranger), 0);
    }

    function test_nobody_can_pay_from_a_balance_that_the_batch_itself_would_make() public {
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, stranger, 0, type(uint96).max)
        );
        vm.prank(stranger);
        gnt.batchTransfer(words(type(uint96).max, payee));
    }

    function test_pays_nobody_from_an_empty_list() public {
        vm.prank(payer);
        assertTrue(gnt.batchTransfer(new bytes32[](0)));
        assertEq(gnt.balanceOf(payer), FUNDS);
    }

    function testFuzz_pays_each_word(uint96[20] memory amounts, uint160 seed) public {
        bytes32[] memory payments = new bytes32[](amounts.length);
        uint256 total;
        for (uint256 i; i < amounts.length; ++i) {
            amounts[i] = uint96(bound(amounts[i], 0, FUNDS / amounts.length));
            payments[i] = word(amounts[i], holder(seed, i));
            total += amounts[i];
            vm.expectEmit();
            emit IERC20.Transfer(payer, holder(seed, i), amounts[i]);
        }
        vm.prank(payer);
        assertTrue(gnt.batchTransfer(payments));
        assertEq(gnt.balanceOf(payer), FUNDS - total);
        for (uint256 i; i < amounts.length; ++i) {
            assertEq(gnt.balanceOf(holder(seed, i)), amounts[i]);
        }
    }

    function testFuzz_pays_a_payee_that_occurs_twice(uint96 first, uint96 second) public {
        bytes32[] memory payments = new bytes32[](2);
        (first, second) = (uint96(bound(first, 0, FUNDS / 2)), uint96(bound(second, 0, FUNDS / 2)));
        payments[0] = word(first, payee);
        payments[1] = word(second, payee);
        vm.prank(payer);
        gnt.batchTransfer(payments);
        assertEq(gnt.balanceOf(payee), 1 + uint256(first) + second);
    }

    function holder(uint160 seed, uint256 i) private pure returns (address) {
        return address(uint160(uint256(keccak256(abi.encode(seed, i)))));
    }
}
