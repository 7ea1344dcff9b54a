// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Deploy} from "../../script/Deploy.s.sol";
import {Faucet} from "../../src/Faucet.sol";
import {PaymentChannels} from "../../src/PaymentChannels.sol";
import {IPaymentChannels} from "../../src/interfaces/IPaymentChannels.sol";
import {PlainToken} from "../OtherTokens.sol";

/// One test, since the environment is one for all tests of a run.
contract DeployTest is Test {
    function test_deploys_by_what_the_environment_says() public {
        Deploy script = new Deploy();

        // Nothing said: a token, a faucet and a delay of one day.
        (IERC20 token, Faucet faucet, PaymentChannels channels) = script.run();
        assertEq(token.totalSupply(), 1e27);
        assertEq(token.balanceOf(address(faucet)), 1_000_000 ether);
        assertEq(faucet.DRIP(), 1000 ether);
        assertEq(faucet.INTERVAL(), 1 days);
        assertEq(address(channels.TOKEN()), address(token));
        assertEq(channels.CLOSE_DELAY(), 1 days);

        // Not where GNT is real.
        vm.chainId(1);
        vm.expectRevert(abi.encodeWithSelector(Deploy.TokenRequiredOnMainnet.selector, "GOLEM_TOKEN"));
        script.run();

        // A token that exists, and a delay.
        PlainToken existing = new PlainToken(address(this), 1);
        vm.setEnv("GOLEM_TOKEN", vm.toString(address(existing)));
        vm.setEnv("GOLEM_CLOSE_DELAY_S", "60");
        (token, faucet, channels) = script.run();
        assertEq(address(token), address(existing));
        assertEq(address(faucet), address(0));
        assertEq(address(channels.TOKEN()), address(existing));
        assertEq(channels.CLOSE_DELAY(), 60);

        // A delay that the contract refuses.
        vm.setEnv("GOLEM_CLOSE_DELAY_S", "0");
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.BadCloseDelay.selector, 0, 30 days));
        script.run();
        vm.setEnv("GOLEM_CLOSE_DELAY_S", "86400");
        vm.setEnv("GOLEM_TOKEN", vm.toString(address(0)));
    }
}
