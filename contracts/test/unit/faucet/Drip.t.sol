// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Faucet} from "../../../src/Faucet.sol";
import {IFaucet} from "../../../src/interfaces/IFaucet.sol";
import {ChannelsTest} from "../../ChannelsTest.sol";
import {NoReturnToken} from "../../OtherTokens.sol";

contract FaucetDripTest is ChannelsTest {
    uint256 private constant DRIP = 100 ether;

    Faucet private faucet;

    function setUp() public override {
        super.setUp();
        faucet = new Faucet(gnt, DRIP, 1 hours);
        gnt.transfer(address(faucet), 2 * DRIP + 1);
    }

    function test_refuses_a_token_that_is_no_contract() public {
        vm.expectRevert(abi.encodeWithSelector(IFaucet.NotAToken.selector, stranger));
        new Faucet(IERC20(stranger), DRIP, 1 hours);
    }

    function test_refuses_to_be_without_limit() public {
        vm.expectRevert(abi.encodeWithSelector(IFaucet.NoLimit.selector, 0, 1 hours));
        new Faucet(gnt, 0, 1 hours);
        vm.expectRevert(abi.encodeWithSelector(IFaucet.NoLimit.selector, DRIP, 0));
        new Faucet(gnt, DRIP, 0);
    }

    function testFuzz_refuses_the_same_address_within_the_interval(uint256 wait, address caller) public {
        wait = bound(wait, 0, 1 hours - 1);
        uint256 first = vm.getBlockTimestamp();
        faucet.drip(payee);
        skip(wait);
        vm.expectRevert(abi.encodeWithSelector(IFaucet.TooSoon.selector, payee, first + 1 hours, first + wait));
        vm.prank(caller);
        faucet.drip(payee);
    }

    function test_refuses_when_dry() public {
        faucet.drip(payee);
        faucet.drip(payer);
        vm.expectRevert(abi.encodeWithSelector(IFaucet.Dry.selector, 1, DRIP));
        faucet.drip(stranger);
        assertEq(faucet.nextDripAt(stranger), 0, "a refusal costs no time");
    }

    function testFuzz_gives_one_drip(address caller, address to) public {
        vm.assume(to != address(0) && to != address(faucet) && to != address(this) && to != payer && to != payee);
        vm.expectEmit(address(faucet));
        emit IFaucet.Dripped(to, DRIP);
        vm.prank(caller);
        faucet.drip(to);
        assertEq(gnt.balanceOf(to), DRIP);
        assertEq(faucet.nextDripAt(to), block.timestamp + 1 hours);
    }

    function testFuzz_gives_again_after_the_interval(uint256 wait) public {
        faucet.drip(stranger);
        skip(bound(wait, 1 hours, 365 days));
        faucet.drip(stranger);
        assertEq(gnt.balanceOf(stranger), 2 * DRIP);
    }

    function test_gives_a_token_that_returns_nothing() public {
        NoReturnToken token = new NoReturnToken(address(this), DRIP);
        Faucet other = new Faucet(IERC20(address(token)), DRIP, 1 hours);
        token.transfer(address(other), DRIP);
        other.drip(stranger);
        assertEq(token.balanceOf(stranger), DRIP);
    }
}
