// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IERC1363} from "@openzeppelin/contracts/interfaces/IERC1363.sol";
import {IERC1363Receiver} from "@openzeppelin/contracts/interfaces/IERC1363Receiver.sol";
import {IERC1363Spender} from "@openzeppelin/contracts/interfaces/IERC1363Spender.sol";
import {ERC1363Utils} from "@openzeppelin/contracts/token/ERC20/utils/ERC1363Utils.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {ChannelsTest} from "../../ChannelsTest.sol";
import {Receiver} from "../../OtherTokens.sol";

contract GNTTransferAndCallTest is ChannelsTest {
    uint96 private constant REFUSED = 13;

    Receiver private receiver = new Receiver(IERC1363Receiver.onTransferReceived.selector, REFUSED);
    Receiver private spender = new Receiver(IERC1363Spender.onApprovalReceived.selector, REFUSED);
    Receiver private rude = new Receiver(0xffffffff, REFUSED);

    function test_refuses_an_address_without_code() public {
        vm.startPrank(payer);
        vm.expectRevert(abi.encodeWithSelector(ERC1363Utils.ERC1363InvalidReceiver.selector, stranger));
        gnt.transferAndCall(stranger, 1);
        vm.expectRevert(abi.encodeWithSelector(ERC1363Utils.ERC1363InvalidReceiver.selector, stranger));
        gnt.transferAndCall(stranger, 1, "data");
        vm.expectRevert(abi.encodeWithSelector(ERC1363Utils.ERC1363InvalidSpender.selector, stranger));
        gnt.approveAndCall(stranger, 1);
    }

    function test_refuses_a_contract_that_gives_another_answer() public {
        vm.startPrank(payer);
        vm.expectRevert(abi.encodeWithSelector(ERC1363Utils.ERC1363InvalidReceiver.selector, rude));
        gnt.transferAndCall(address(rude), 1, "data");
        vm.expectRevert(abi.encodeWithSelector(ERC1363Utils.ERC1363InvalidSpender.selector, rude));
        gnt.approveAndCall(address(rude), 1, "data");
    }

    function test_refuses_a_contract_that_does_not_know_the_call() public {
        vm.expectRevert(abi.encodeWithSelector(ERC1363Utils.ERC1363InvalidReceiver.selector, gnt));
        vm.prank(payer);
        gnt.transferAndCall(address(gnt), 1, "data");
    }

    function test_passes_on_why_the_receiver_reverted() public {
        vm.startPrank(payer);
        vm.expectRevert(abi.encodeWithSelector(Receiver.Unwelcome.selector, REFUSED));
        gnt.transferAndCall(address(receiver), REFUSED, "data");
        vm.expectRevert(abi.encodeWithSelector(Receiver.Unwelcome.selector, REFUSED));
        gnt.approveAndCall(address(spender), REFUSED, "data");
        assertEq(gnt.balanceOf(payer), FUNDS);
    }

    function test_refuses_more_than_is_held_or_approved() public {
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, payer, FUNDS, uint256(FUNDS) + 1)
        );
        vm.prank(payer);
        gnt.transferAndCall(address(receiver), uint256(FUNDS) + 1, "");
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, stranger, 0, 1));
        vm.prank(stranger);
        gnt.transferFromAndCall(payer, address(receiver), 1, "");
    }

    /// Also pins the assembly that hands the data on: any length, any bytes.
    function testFuzz_transfers_then_tells_the_receiver(uint96 amount, bytes calldata data) public {
        amount = uint96(bound(amount, REFUSED + 1, FUNDS));
        vm.prank(payer);
        assertTrue(gnt.transferAndCall(address(receiver), amount, data));
        assertEq(gnt.balanceOf(address(receiver)), amount);
        assertEq(receiver.heard(), abi.encode(gnt, payer, payer, amount, data));
    }

    function testFuzz_transfersFrom_then_tells_the_receiver(uint96 amount, bytes calldata data) public {
        amount = uint96(bound(amount, REFUSED + 1, FUNDS));
        vm.prank(payer);
        gnt.approve(stranger, amount);
        vm.prank(stranger);
        assertTrue(gnt.transferFromAndCall(payer, address(receiver), amount, data));
        assertEq(receiver.heard(), abi.encode(gnt, stranger, payer, amount, data));
        assertEq(gnt.allowance(payer, stranger), 0);
    }

    function testFuzz_approves_then_tells_the_spender(uint96 amount, bytes calldata data) public {
        amount = uint96(bound(amount, REFUSED + 1, type(uint96).max));
        vm.prank(payer);
        assertTrue(gnt.approveAndCall(address(spender), amount, data));
        assertEq(gnt.allowance(payer, address(spender)), amount);
        assertEq(spender.heard(), abi.encode(gnt, payer, amount, data));
    }

    function test_without_data_the_receiver_hears_none() public {
        vm.startPrank(payer);
        gnt.transferAndCall(address(receiver), 20);
        assertEq(receiver.heard(), abi.encode(gnt, payer, payer, 20, ""));
        gnt.approveAndCall(address(spender), 30);
        assertEq(spender.heard(), abi.encode(gnt, payer, 30, ""));
        gnt.approve(payer, 40);
        gnt.transferFromAndCall(payer, address(receiver), 40);
        assertEq(receiver.heard(), abi.encode(gnt, payer, payer, 40, ""));
    }

    function test_says_which_interfaces_it_has() public view {
        assertTrue(gnt.supportsInterface(type(IERC1363).interfaceId));
        assertTrue(gnt.supportsInterface(type(IERC165).interfaceId));
        assertFalse(gnt.supportsInterface(0xffffffff));
    }
}
