// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {ConcentDeposit} from "../../../src/ConcentDeposit.sol";
import {IConcentDeposit} from "../../../src/interfaces/IConcentDeposit.sol";
import {ConcentTest} from "../../ConcentTest.sol";
import {PlainToken} from "../../OtherTokens.sol";

contract DepositByPermitTest is ConcentTest {
    function test_refuses_zero_amount() public {
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.BadAmount.selector, 0, DEPOSIT_MAX));
        vm.prank(requestor);
        concent.depositByPermit(0, block.timestamp, 0, 0);
    }

    function testFuzz_refuses_more_than_an_account_may_have_free(uint96 amount) public {
        amount = uint96(bound(amount, DEPOSIT_MAX - DEPOSIT + 1, type(uint96).max));
        vm.expectRevert(
            abi.encodeWithSelector(IConcentDeposit.DepositTooLarge.selector, uint256(DEPOSIT) + amount, DEPOSIT_MAX)
        );
        vm.prank(requestor);
        concent.depositByPermit(amount, block.timestamp, 0, 0);
    }

    function testFuzz_refuses_the_permit_of_somebody_else(uint96 amount) public {
        amount = uint96(bound(amount, 1, FUNDS - DEPOSIT));
        (bytes32 r, bytes32 vs) = vm.signCompact(providerKey, permitDigest(amount, block.timestamp));
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, concent, 0, amount));
        vm.prank(requestor);
        concent.depositByPermit(amount, block.timestamp, r, vs);
    }

    function testFuzz_refuses_a_permit_for_another_sum(uint96 amount, uint96 permitted) public {
        amount = uint96(bound(amount, 1, FUNDS - DEPOSIT));
        vm.assume(permitted != amount);
        (bytes32 r, bytes32 vs) = vm.signCompact(requestorKey, permitDigest(permitted, block.timestamp));
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, concent, 0, amount));
        vm.prank(requestor);
        concent.depositByPermit(amount, block.timestamp, r, vs);
    }

    function test_nobody_else_can_use_the_permit_to_deposit() public {
        (bytes32 r, bytes32 vs) = vm.signCompact(requestorKey, permitDigest(5, block.timestamp));
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, concent, 0, 5));
        vm.prank(stranger);
        concent.depositByPermit(5, block.timestamp, r, vs);
    }

    function testFuzz_deposits_without_an_allowance_before_or_after(uint96 amount) public {
        amount = uint96(bound(amount, 1, FUNDS - DEPOSIT));
        (bytes32 r, bytes32 vs) = vm.signCompact(requestorKey, permitDigest(amount, block.timestamp));
        vm.expectEmit(address(concent));
        emit IConcentDeposit.Deposited(requestor, DEPOSIT + amount);
        vm.prank(requestor);
        concent.depositByPermit(amount, block.timestamp, r, vs);
        assertAccount(requestor, DEPOSIT + amount, 0, 0);
        assertEq(gnt.allowance(requestor, address(concent)), 0);
        assertEq(gnt.balanceOf(requestor), FUNDS - DEPOSIT - amount);
    }

    /// Whoever sees the permit in the mempool can submit it first; that must not stop the requestor.
    function test_a_permit_that_was_front_run_still_deposits() public {
        bytes32 hash = permitDigest(5, block.timestamp);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(requestorKey, hash);
        vm.prank(stranger);
        gnt.permit(requestor, address(concent), 5, block.timestamp, v, r, s);
        (, bytes32 vs) = vm.signCompact(requestorKey, hash);
        vm.prank(requestor);
        concent.depositByPermit(5, block.timestamp, r, vs);
        assertAccount(requestor, DEPOSIT + 5, 0, 0);
    }

    function test_a_token_without_permit_falls_back_to_its_allowance() public {
        IConcentDeposit.Terms memory t = terms();
        t.token = new PlainToken(requestor, FUNDS);
        concent = new ConcentDeposit(t, one(judge), 1);
        vm.startPrank(requestor);
        t.token.approve(address(concent), 5);
        concent.depositByPermit(5, block.timestamp, 0, 0);
        assertAccount(requestor, 5, 0, 0);
    }

    /// What the requestor signs for a permit, with its next nonce.
    function permitDigest(uint256 value, uint256 deadline) private view returns (bytes32) {
        bytes32 typehash =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        bytes32 structHash = keccak256(abi.encode(typehash, requestor, concent, value, gnt.nonces(requestor), deadline));
        return keccak256(abi.encodePacked(hex"1901", gnt.DOMAIN_SEPARATOR(), structHash));
    }
}
