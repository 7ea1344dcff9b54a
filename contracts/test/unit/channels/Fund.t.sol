// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {PaymentChannels} from "../../../src/PaymentChannels.sol";
import {IPaymentChannels} from "../../../src/interfaces/IPaymentChannels.sol";
import {ChannelsTest} from "../../ChannelsTest.sol";
import {FalseToken, FeeToken, NoReturnToken, PlainToken} from "../../OtherTokens.sol";

contract FundTest is ChannelsTest {
    function setUp() public override {
        super.setUp();
        vm.prank(payer);
        gnt.approve(address(channels), FUNDS);
    }

    function test_refuses_zero_address_self_and_the_contract_as_payee() public {
        address[3] memory bad = [address(0), payer, address(channels)];
        for (uint256 i; i < bad.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.BadPayee.selector, bad[i]));
            vm.prank(payer);
            channels.fund(words(1, bad[i]));
        }
    }

    function test_refuses_zero_amount() public {
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.ZeroAmount.selector, payee));
        vm.prank(payer);
        channels.fund(words(0, payee));
    }

    function testFuzz_refuses_without_allowance(uint96 amount) public {
        amount = uint96(bound(amount, 1, FUNDS));
        gnt.transfer(stranger, amount);
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, channels, 0, amount));
        vm.prank(stranger);
        channels.fund(words(amount, payee));
    }

    function testFuzz_refuses_a_deposit_above_96_bits(uint96 first, uint96 second) public {
        first = uint96(bound(first, 1, type(uint96).max));
        second = uint96(bound(second, type(uint96).max - first + 1, type(uint96).max));
        PlainToken token = new PlainToken(payer, type(uint256).max);
        PaymentChannels big = new PaymentChannels(token, DELAY);
        vm.startPrank(payer);
        token.approve(address(big), type(uint256).max);
        big.fund(words(first, payee));
        vm.expectRevert(
            abi.encodeWithSelector(IPaymentChannels.DepositTooLarge.selector, uint256(first) + second, type(uint96).max)
        );
        big.fund(words(second, payee));
    }

    /// Regression: tokens that somebody sends without a word take no room of anybody's.
    function test_a_plain_transfer_eats_no_deposit_cap() public {
        PlainToken token = new PlainToken(payer, type(uint256).max);
        PaymentChannels other = new PaymentChannels(token, DELAY);
        vm.startPrank(payer);
        token.transfer(address(other), type(uint96).max);
        token.approve(address(other), type(uint256).max);
        other.fund(words(type(uint96).max, payee));
        assertEq(other.channel(payer, payee).deposit, type(uint96).max);
    }

    function test_refuses_the_opening_after_the_last_epoch() public {
        // A closed channel in its last epoch, where the contract keeps it.
        vm.store(address(channels), keccak256(abi.encode(payer, payee)), bytes32(uint256(type(uint32).max) << 224));
        assertChannel(payer, payee, 0, 0, 0, type(uint32).max);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.EpochsUsedUp.selector, payee));
        vm.prank(payer);
        channels.fund(words(1, payee));
    }

    function test_refuses_a_token_that_keeps_a_fee() public {
        FeeToken token = new FeeToken(payer, FUNDS);
        PaymentChannels other = new PaymentChannels(token, DELAY);
        vm.startPrank(payer);
        token.approve(address(other), FUNDS);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.WrongTotal.selector, 1000, 990));
        other.fund(words(1000, payee));
    }

    function test_refuses_a_token_that_says_false() public {
        FalseToken token = new FalseToken(payer, FUNDS);
        PaymentChannels other = new PaymentChannels(token, DELAY);
        token.refuse();
        vm.startPrank(payer);
        token.approve(address(other), FUNDS);
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, token));
        other.fund(words(1, payee));
    }

    function testFuzz_opens(uint96 amount) public {
        amount = uint96(bound(amount, 1, FUNDS));
        vm.expectEmit(address(channels));
        emit IPaymentChannels.Funded(payer, payee, 1, amount);
        vm.prank(payer);
        channels.fund(words(amount, payee));
        assertChannel(payer, payee, 0, amount, 0, 1);
        assertEq(gnt.balanceOf(address(channels)), amount);
        assertEq(gnt.balanceOf(payer), FUNDS - amount);
    }

    function testFuzz_tops_up_and_keeps_what_was_claimed(uint96 first, uint96 second, uint96 claimed) public {
        first = uint96(bound(first, 1, FUNDS - 1));
        second = uint96(bound(second, 1, FUNDS - first));
        claimed = uint96(bound(claimed, 1, first));
        vm.prank(payer);
        channels.fund(words(first, payee));
        channels.claimMany(payee, entry(payerKey, payee, 1, claimed));
        vm.expectEmit(address(channels));
        emit IPaymentChannels.Funded(payer, payee, 1, first + second);
        vm.prank(payer);
        channels.fund(words(second, payee));
        assertChannel(payer, payee, claimed, first + second, 0, 1);
    }

    function test_opening_again_raises_the_epoch() public {
        for (uint32 epoch = 1; epoch <= 3; ++epoch) {
            vm.prank(payer);
            channels.fund(words(7, payee));
            assertChannel(payer, payee, 0, 7, 0, epoch);
            vm.prank(payee);
            channels.close(payer, 0, epoch, 0, 0);
            assertChannel(payer, payee, 0, 0, 0, epoch);
        }
    }

    function testFuzz_funds_many_in_one_call(uint96[10] memory amounts, uint160 seed) public {
        bytes32[] memory fundings = new bytes32[](amounts.length);
        uint256 total;
        for (uint256 i; i < amounts.length; ++i) {
            amounts[i] = uint96(bound(amounts[i], 1, FUNDS / amounts.length));
            fundings[i] = word(amounts[i], address(uint160(uint256(keccak256(abi.encode(seed, i))))));
            total += amounts[i];
        }
        vm.prank(payer);
        channels.fund(fundings);
        assertEq(gnt.balanceOf(address(channels)), total);
        for (uint256 i; i < amounts.length; ++i) {
            assertChannel(payer, address(uint160(uint256(fundings[i]))), 0, amounts[i], 0, 1);
        }
    }

    function test_the_same_payee_twice_in_one_call_opens_and_tops_up() public {
        bytes32[] memory fundings = new bytes32[](2);
        fundings[0] = word(3, payee);
        fundings[1] = word(4, payee);
        vm.prank(payer);
        channels.fund(fundings);
        assertChannel(payer, payee, 0, 7, 0, 1);
    }

    function testFuzz_withdraws_a_requested_close(uint96 amount) public {
        amount = uint96(bound(amount, 1, FUNDS - 1));
        vm.startPrank(payer);
        channels.fund(words(1, payee));
        channels.requestClose(payee);
        channels.fund(words(amount, payee));
        assertChannel(payer, payee, 0, 1 + amount, 0, 1);
    }

    function test_works_with_a_plain_token() public {
        lives(IERC20(new PlainToken(payer, FUNDS)));
    }

    function test_works_with_a_token_that_returns_nothing() public {
        lives(IERC20(address(new NoReturnToken(payer, FUNDS))));
    }

    /// A channel's whole life in `token`.
    function lives(IERC20 token) private {
        channels = new PaymentChannels(token, DELAY);
        vm.startPrank(payer);
        (bool approved,) = address(token).call(abi.encodeCall(IERC20.approve, (address(channels), FUNDS)));
        assertTrue(approved);
        channels.fund(words(100, payee));
        channels.fund(words(50, payee));
        vm.stopPrank();
        channels.claimMany(payee, entry(payerKey, payee, 1, 30));
        assertEq(token.balanceOf(payee), 30);
        vm.prank(payer);
        channels.requestClose(payee);
        skip(DELAY);
        channels.finalize(payer, payee);
        assertEq(token.balanceOf(payer), FUNDS - 30);
        assertEq(token.balanceOf(address(channels)), 0);
    }
}
