// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {PaymentChannels} from "../../../src/PaymentChannels.sol";
import {IPaymentChannels} from "../../../src/interfaces/IPaymentChannels.sol";
import {ChannelsTest} from "../../ChannelsTest.sol";

contract ChannelsConstructorTest is ChannelsTest {
    function test_refuses_a_token_that_is_no_contract() public {
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.NotAToken.selector, stranger));
        new PaymentChannels(IERC20(stranger), DELAY);
    }

    function test_refuses_no_close_delay() public {
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.BadCloseDelay.selector, 0, 30 days));
        new PaymentChannels(gnt, 0);
    }

    function testFuzz_refuses_a_close_delay_above_thirty_days(uint32 delay) public {
        delay = uint32(bound(delay, 30 days + 1, type(uint32).max));
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.BadCloseDelay.selector, delay, 30 days));
        new PaymentChannels(gnt, delay);
    }

    function testFuzz_keeps_token_and_delay(uint32 delay) public {
        delay = uint32(bound(delay, 1, 30 days));
        PaymentChannels fresh = new PaymentChannels(gnt, delay);
        assertEq(address(fresh.TOKEN()), address(gnt));
        assertEq(fresh.CLOSE_DELAY(), delay);
    }
}
