// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ChannelsTest} from "../../ChannelsTest.sol";

contract GNTPermitTest is ChannelsTest {
    function testFuzz_refuses_late(uint256 late) public {
        late = bound(late, 1, 365 days);
        uint256 deadline = vm.getBlockTimestamp();
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(payerKey, permitDigest(payer, stranger, 1, deadline));
        skip(late);
        vm.expectRevert(abi.encodeWithSelector(ERC20Permit.ERC2612ExpiredSignature.selector, deadline));
        gnt.permit(payer, stranger, 1, deadline, v, r, s);
    }

    function test_refuses_the_signature_of_somebody_else() public {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(payeeKey, permitDigest(payer, stranger, 1, block.timestamp));
        vm.expectRevert(abi.encodeWithSelector(ERC20Permit.ERC2612InvalidSigner.selector, payee, payer));
        gnt.permit(payer, stranger, 1, block.timestamp, v, r, s);
    }

    function test_refuses_to_be_used_twice() public {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(payerKey, permitDigest(payer, stranger, 1, block.timestamp));
        gnt.permit(payer, stranger, 1, block.timestamp, v, r, s);
        assertEq(gnt.nonces(payer), 1);
        vm.expectPartialRevert(ERC20Permit.ERC2612InvalidSigner.selector);
        gnt.permit(payer, stranger, 1, block.timestamp, v, r, s);
    }

    function testFuzz_approves(uint256 amount) public {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(payerKey, permitDigest(payer, stranger, amount, block.timestamp));
        gnt.permit(payer, stranger, amount, block.timestamp, v, r, s);
        assertEq(gnt.allowance(payer, stranger), amount);
    }
}
