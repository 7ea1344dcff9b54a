// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ConcentDeposit} from "../../../src/ConcentDeposit.sol";
import {IConcentDeposit} from "../../../src/interfaces/IConcentDeposit.sol";
import {ConcentTest} from "../../ConcentTest.sol";

contract ConcentConstructorTest is ConcentTest {
    uint256 private constant DELAY_MAX = 30 days;
    uint256 private constant LIMIT_MAX = uint256(type(uint64).max) * 1 gwei;

    function test_refuses_a_token_that_is_no_contract() public {
        IConcentDeposit.Terms memory t = terms();
        t.token = IERC20(stranger);
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.NotAToken.selector, stranger));
        new ConcentDeposit(t, one(judge), 1);
    }

    function test_refuses_no_treasury() public {
        IConcentDeposit.Terms memory t = terms();
        t.treasury = address(0);
        refuses(t, "treasury", 0, type(uint160).max);
    }

    function testFuzz_refuses_delays_of_nothing_or_above_thirty_days(uint32 delay) public {
        uint32[2] memory bad = [0, uint32(bound(delay, DELAY_MAX + 1, type(uint32).max))];
        for (uint256 i; i < bad.length; ++i) {
            IConcentDeposit.Terms memory t = terms();
            t.withdrawDelay = bad[i];
            refuses(t, "withdrawDelay", bad[i], DELAY_MAX);
            t = terms();
            t.contestWindow = bad[i];
            refuses(t, "contestWindow", bad[i], DELAY_MAX);
            t = terms();
            t.rulingWindow = bad[i];
            refuses(t, "rulingWindow", bad[i], DELAY_MAX);
            t = terms();
            t.rotationDelay = bad[i];
            refuses(t, "rotationDelay", bad[i], DELAY_MAX);
        }
    }

    function testFuzz_refuses_new_keys_before_everybody_could_have_left(uint32[3] memory delays, uint32 rotationDelay)
        public
    {
        IConcentDeposit.Terms memory t = terms();
        t.withdrawDelay = uint32(bound(delays[0], 1, 10 days));
        t.contestWindow = uint32(bound(delays[1], 1, 10 days));
        t.rulingWindow = uint32(bound(delays[2], 1, 10 days));
        uint32 leaving = t.withdrawDelay + t.contestWindow + t.rulingWindow;
        t.rotationDelay = uint32(bound(rotationDelay, 1, leaving - 1));
        refuses(t, "rotationDelay", t.rotationDelay, leaving);
        t.rotationDelay = leaving;
        new ConcentDeposit(t, one(judge), 1);
    }

    function test_refuses_no_stake_no_limit_and_no_room() public {
        IConcentDeposit.Terms memory t = terms();
        t.fee = 0;
        refuses(t, "fee", 0, type(uint96).max);
        t = terms();
        t.cover = 0;
        refuses(t, "cover", 0, type(uint96).max);
        t = terms();
        t.dailyLimit = 0;
        refuses(t, "dailyLimit", 0, LIMIT_MAX);
        t = terms();
        t.depositMax = 0;
        refuses(t, "depositMax", 0, type(uint96).max);
    }

    function testFuzz_refuses_a_daily_limit_that_cannot_be_counted(uint96 limit) public {
        IConcentDeposit.Terms memory t = terms();
        t.dailyLimit = uint96(bound(limit, LIMIT_MAX + 1, type(uint96).max));
        refuses(t, "dailyLimit", t.dailyLimit, LIMIT_MAX);
    }

    function test_refuses_keys_that_are_none_too_many_zero_twice_or_out_of_order() public {
        (, address[] memory keys) = keysOf("judge", 17);
        refusesKeys(new address[](0), 1);
        refusesKeys(keys, 1);
        refusesKeys(one(address(0)), 1);
        address[] memory two = new address[](2);
        (two[0], two[1]) = (keys[0], keys[0]);
        refusesKeys(two, 1);
        (two[0], two[1]) = (keys[1], keys[0]);
        refusesKeys(two, 1);
    }

    function testFuzz_refuses_a_threshold_of_none_or_above_the_keys(uint256 count, uint256 threshold) public {
        count = bound(count, 1, 16);
        (, address[] memory keys) = keysOf("judge", count);
        refusesKeys(keys, 0);
        refusesKeys(keys, bound(threshold, count + 1, type(uint256).max));
    }

    function testFuzz_keeps_terms_and_keys(
        uint32[3] memory delays,
        uint96[4] memory amounts,
        uint256 count,
        uint256 threshold
    ) public {
        IConcentDeposit.Terms memory t = terms();
        t.treasury = stranger;
        t.withdrawDelay = uint32(bound(delays[0], 1, 10 days));
        t.contestWindow = uint32(bound(delays[1], 1, 10 days));
        t.rulingWindow = uint32(bound(delays[2], 1, 10 days));
        t.rotationDelay = 30 days;
        t.fee = uint96(bound(amounts[0], 1, type(uint96).max));
        t.cover = uint96(bound(amounts[1], 1, type(uint96).max));
        t.dailyLimit = uint96(bound(amounts[2], 1, LIMIT_MAX));
        t.depositMax = uint96(bound(amounts[3], 1, type(uint96).max));
        (, address[] memory keys) = keysOf("judge", bound(count, 1, 16));
        threshold = bound(threshold, 1, keys.length);
        vm.expectEmit();
        emit IConcentDeposit.Rotated(keys, threshold);
        ConcentDeposit fresh = new ConcentDeposit(t, keys, threshold);
        assertEq(abi.encode(fresh.terms()), abi.encode(t));
        (address[] memory gotKeys, uint256 gotThreshold) = fresh.concent();
        assertEq(gotKeys, keys);
        assertEq(gotThreshold, threshold);
    }

    function refuses(IConcentDeposit.Terms memory t, string memory term, uint256 got, uint256 allowed) private {
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.BadTerm.selector, term, got, allowed));
        new ConcentDeposit(t, one(judge), 1);
    }

    function refusesKeys(address[] memory keys, uint256 threshold) private {
        IConcentDeposit.Terms memory t = terms();
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.BadKeys.selector, keys.length, threshold));
        new ConcentDeposit(t, keys, threshold);
    }
}
