// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ConcentDeposit} from "../../../src/ConcentDeposit.sol";
import {IConcentDeposit} from "../../../src/interfaces/IConcentDeposit.sol";
import {ConcentTest} from "../../ConcentTest.sol";
import {FalseToken, FeeToken, HookToken, IHolder, NoReturnToken, PlainToken} from "../../OtherTokens.sol";

contract ConcentDepositTest is ConcentTest {
    function setUp() public override {
        super.setUp();
        vm.prank(stranger);
        gnt.approve(address(concent), FUNDS);
    }

    function test_refuses_zero_amount() public {
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.BadAmount.selector, 0, DEPOSIT_MAX));
        vm.prank(stranger);
        concent.deposit(0);
    }

    function testFuzz_refuses_more_than_an_account_may_have_free(uint96 first, uint96 second) public {
        first = uint96(bound(first, 1, DEPOSIT_MAX));
        second = uint96(bound(second, DEPOSIT_MAX - first + 1, type(uint96).max));
        gnt.transfer(stranger, DEPOSIT_MAX);
        vm.startPrank(stranger);
        gnt.approve(address(concent), type(uint256).max);
        concent.deposit(first);
        vm.expectRevert(
            abi.encodeWithSelector(IConcentDeposit.DepositTooLarge.selector, uint256(first) + second, DEPOSIT_MAX)
        );
        concent.deposit(second);
    }

    /// What is at stake does not count towards the cap, but must fit its field with the rest.
    function test_refuses_a_deposit_above_96_bits() public {
        IConcentDeposit.Terms memory t = terms();
        t.token = new PlainToken(address(this), type(uint256).max);
        t.depositMax = type(uint96).max;
        concent = new ConcentDeposit(t, one(judge), 1);
        t.token.approve(address(concent), type(uint256).max);
        t.token.transfer(requestor, type(uint256).max / 2);
        t.token.transfer(provider, BOND);
        approveAndDeposit(t.token, requestor, type(uint96).max);
        approveAndDeposit(t.token, provider, BOND);
        claim(promised(), AMOUNT);

        vm.startPrank(requestor);
        vm.expectRevert(abi.encodeWithSelector(SafeCast.SafeCastOverflowedUintDowncast.selector, 96, uint256(1) << 96));
        concent.deposit(1);
        vm.expectRevert(
            abi.encodeWithSelector(
                IConcentDeposit.DepositTooLarge.selector, uint256(1) << 96, uint256(type(uint96).max)
            )
        );
        concent.deposit(AMOUNT + 1);
    }

    function testFuzz_refuses_without_allowance(uint96 amount) public {
        amount = uint96(bound(amount, 1, FUNDS));
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, concent, 0, amount));
        vm.prank(requestor);
        concent.deposit(amount);
    }

    function test_refuses_a_token_that_keeps_a_fee() public {
        IERC20 token = IERC20(new FeeToken(stranger, FUNDS));
        deployFor(token);
        vm.startPrank(stranger);
        token.approve(address(concent), FUNDS);
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.WrongTotal.selector, 1000, 990));
        concent.deposit(1000);
    }

    function test_refuses_a_token_that_says_false() public {
        FalseToken token = new FalseToken(stranger, FUNDS);
        deployFor(token);
        token.refuse();
        vm.startPrank(stranger);
        token.approve(address(concent), FUNDS);
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, token));
        concent.deposit(1);
    }

    /// A holder that gets a turn before its tokens arrive has an account already, but a locked one.
    function test_a_token_with_a_hook_lets_nobody_out_before_it_is_in() public {
        HookedHolder holder = new HookedHolder();
        HookToken token = new HookToken(address(this), FUNDS);
        deployFor(token);
        token.approve(address(concent), FUNDS);
        concent.deposit(5);
        token.transfer(address(holder), 5);
        holder.deposits(concent, token, 5);
        assertEq(holder.refusal(), abi.encodeWithSelector(IConcentDeposit.Locked.selector, holder));
        assertAccount(address(holder), 5, 0, 0);
        assertEq(token.balanceOf(address(concent)), 10);
    }

    function testFuzz_deposits(uint96 amount) public {
        amount = uint96(bound(amount, 1, FUNDS));
        vm.expectEmit(address(concent));
        emit IConcentDeposit.Deposited(stranger, amount);
        vm.prank(stranger);
        concent.deposit(amount);
        assertAccount(stranger, amount, 0, 0);
        assertEq(gnt.balanceOf(stranger), FUNDS - amount);
        assertEq(gnt.balanceOf(address(concent)), DEPOSIT + BOND + amount);
    }

    function testFuzz_tops_up_and_locks_again(uint96 first, uint96 second, uint256 wait) public {
        first = uint96(bound(first, 1, FUNDS - 1));
        second = uint96(bound(second, 1, FUNDS - first));
        vm.startPrank(stranger);
        concent.deposit(first);
        concent.unlock();
        skip(bound(wait, 0, 3 * uint256(WITHDRAW_DELAY)));
        vm.expectEmit(address(concent));
        emit IConcentDeposit.Deposited(stranger, first + second);
        concent.deposit(second);
        assertAccount(stranger, first + second, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.Locked.selector, stranger));
        concent.withdraw(1);
    }

    function testFuzz_keeps_what_is_at_stake(uint96 claimed, uint96 amount) public {
        claimed = uint96(bound(claimed, 1, AMOUNT));
        amount = uint96(bound(amount, 1, FUNDS - DEPOSIT));
        claim(promised(), claimed);
        deposit(requestor, amount);
        assertAccount(requestor, DEPOSIT + amount, claimed, 0);
    }

    /// Regression: claims of all that an account at its cap had kept its owner from contesting them.
    function test_an_account_at_its_cap_can_still_deposit_the_bond_and_contest() public {
        gnt.transfer(requestor, DEPOSIT_MAX);
        deposit(requestor, DEPOSIT_MAX - DEPOSIT);
        IConcentDeposit.Promise memory p = promised();
        p.amount = DEPOSIT_MAX;
        claim(p, DEPOSIT_MAX);
        assertAccount(requestor, DEPOSIT_MAX, DEPOSIT_MAX, 0);
        bytes32 digest = concent.promiseDigest(p);
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.TooLittle.selector, requestor, 0, BOND));
        vm.prank(requestor);
        concent.contest(digest);

        deposit(requestor, BOND);
        contest(p);
        assertAccount(requestor, DEPOSIT_MAX + BOND, DEPOSIT_MAX + BOND, 0);
    }

    function test_works_with_a_plain_token() public {
        lives(IERC20(new PlainToken(address(this), 2 * FUNDS)));
    }

    function test_works_with_a_token_that_returns_nothing() public {
        lives(IERC20(address(new NoReturnToken(address(this), 2 * FUNDS))));
    }

    /// All that moves tokens, in `token`.
    function lives(IERC20 token) private {
        deployFor(token);
        sends(token, requestor, FUNDS);
        sends(token, provider, FUNDS);
        approveAndDeposit(token, requestor, DEPOSIT);
        approveAndDeposit(token, provider, BOND);
        rule(promised(1), 1);
        IConcentDeposit.Promise memory p = promised(2);
        claim(p, 2);
        skip(CONTEST_WINDOW);
        concent.settle(requestor, p);
        claim(promised(3), 3);
        void(promised(3));
        assertEq(token.balanceOf(provider), FUNDS - BOND + 1 + 2);
        assertEq(token.balanceOf(stranger), COVER);
        vm.startPrank(requestor);
        concent.unlock();
        skip(WITHDRAW_DELAY);
        concent.withdraw(DEPOSIT - 1 - 2 + FEE);
        assertEq(token.balanceOf(requestor), FUNDS - 1 - 2 + FEE);
        assertEq(token.balanceOf(address(concent)), 0);
    }

    function deployFor(IERC20 token) private {
        IConcentDeposit.Terms memory t = terms();
        t.token = token;
        concent = new ConcentDeposit(t, one(judge), 1);
    }

    function sends(IERC20 token, address to, uint256 amount) private {
        (bool sent,) = address(token).call(abi.encodeCall(IERC20.transfer, (to, amount)));
        assertTrue(sent);
    }

    function approveAndDeposit(IERC20 token, address owner, uint96 amount) private {
        vm.startPrank(owner);
        (bool approved,) = address(token).call(abi.encodeCall(IERC20.approve, (address(concent), amount)));
        assertTrue(approved);
        concent.deposit(amount);
        vm.stopPrank();
    }

    function beforeTokens() external {}
}

/// Deposits, and tries to get out what is not in yet.
contract HookedHolder is IHolder {
    ConcentDeposit private concent;
    bytes public refusal;

    function deposits(ConcentDeposit concent_, HookToken token, uint96 amount) external {
        concent = concent_;
        token.approve(address(concent_), amount);
        concent_.deposit(amount);
    }

    function beforeTokens() external {
        try concent.withdraw(1) {}
        catch (bytes memory reason) {
            refusal = reason;
        }
    }
}
