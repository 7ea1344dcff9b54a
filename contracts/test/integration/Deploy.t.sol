// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Deploy} from "../../script/Deploy.s.sol";
import {AppRegistry} from "../../src/AppRegistry.sol";
import {ConcentDeposit} from "../../src/ConcentDeposit.sol";
import {Faucet} from "../../src/Faucet.sol";
import {PaymentChannels} from "../../src/PaymentChannels.sol";
import {IConcentDeposit} from "../../src/interfaces/IConcentDeposit.sol";
import {IPaymentChannels} from "../../src/interfaces/IPaymentChannels.sol";
import {PlainToken} from "../OtherTokens.sol";

/// One test, since the environment is one for all tests of a run.
contract DeployTest is Test {
    Deploy private script;

    function test_deploys_by_what_the_environment_says() public {
        script = new Deploy();
        deploys_token_faucet_and_channels_if_nothing_is_said();
        deploys_no_token_where_it_is_real();
        takes_a_token_and_a_delay();
        deploys_a_concent_with_keys();
        needs_the_proxy();
    }

    function deploys_token_faucet_and_channels_if_nothing_is_said() private {
        Deploy.Deployed memory deployed = script.run();
        IERC20 token = IERC20(deployed.token);
        Faucet faucet = Faucet(deployed.faucet);
        PaymentChannels channels = PaymentChannels(deployed.channels);
        assertEq(token.totalSupply(), 1e27);
        assertEq(token.balanceOf(address(faucet)), 100_000_000 ether);
        assertEq(faucet.DRIP(), 1000 ether);
        assertEq(faucet.INTERVAL(), 1 days);
        assertEq(address(channels.TOKEN()), address(token));
        assertEq(channels.CLOSE_DELAY(), 1 days);
        assertEq(AppRegistry(deployed.appRegistry).FEE_NOTICE(), 7 days);
        assertEq(deployed.concentDeposit, address(0));
        assertEq(deployed.fromBlock, vm.getBlockNumber());

        // Again, elsewhere and later: everything is found, and no faucet is filled twice. Only the block is not known.
        vm.roll(vm.getBlockNumber() + 100);
        Deploy.Deployed memory again = script.run();
        assertEq(again.fromBlock, 0);
        again.fromBlock = deployed.fromBlock;
        assertEq(script.json(again), script.json(deployed));
        assertEq(token.balanceOf(address(faucet)), 100_000_000 ether);
    }

    function deploys_no_token_where_it_is_real() private {
        vm.chainId(1);
        vm.expectRevert(abi.encodeWithSelector(Deploy.TokenRequiredOnMainnet.selector, "GOLEM_TOKEN"));
        script.run();
        vm.chainId(31_337);
    }

    function takes_a_token_and_a_delay() private {
        PlainToken existing = new PlainToken(address(this), 1);
        vm.setEnv("GOLEM_TOKEN", vm.toString(address(existing)));
        vm.setEnv("GOLEM_CLOSE_DELAY_S", "60");
        Deploy.Deployed memory deployed = script.run();
        assertEq(deployed.token, address(existing));
        assertEq(deployed.faucet, address(0));
        assertEq(address(PaymentChannels(deployed.channels).TOKEN()), address(existing));
        assertEq(PaymentChannels(deployed.channels).CLOSE_DELAY(), 60);

        // The reason of a constructor is not lost behind the proxy.
        vm.setEnv("GOLEM_CLOSE_DELAY_S", "0");
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.BadCloseDelay.selector, 0, 30 days));
        script.run();
        vm.stopBroadcast();
        vm.setEnv("GOLEM_CLOSE_DELAY_S", "86400");
        vm.setEnv("GOLEM_TOKEN", vm.toString(address(0)));
    }

    function deploys_a_concent_with_keys() private {
        address[3] memory keys = [makeAddr("one"), makeAddr("two"), makeAddr("three")];
        address treasury = makeAddr("treasury");
        vm.setEnv("GOLEM_CONCENT_TREASURY", vm.toString(treasury));
        vm.setEnv("GOLEM_CONCENT_THRESHOLD", "2");
        address place;
        for (uint256 first; first < 3; ++first) {
            string memory rest =
                string.concat(vm.toString(keys[(first + 1) % 3]), ",", vm.toString(keys[(first + 2) % 3]));
            vm.setEnv("GOLEM_CONCENT_KEYS", string.concat(vm.toString(keys[first]), ",", rest));
            address concent = script.run().concentDeposit;
            assertTrue(place == address(0) || concent == place, "the order of keys makes no difference");
            place = concent;
        }
        (address[] memory registered, uint256 threshold) = ConcentDeposit(place).concent();
        assertEq(registered.length, 3);
        assertEq(threshold, 2);
        IConcentDeposit.Terms memory terms = ConcentDeposit(place).terms();
        assertEq(terms.treasury, treasury);
        assertEq(terms.rotationDelay, 7 days);
    }

    function needs_the_proxy() private {
        vm.etch(CREATE2_FACTORY, "");
        vm.expectRevert(abi.encodeWithSelector(Deploy.NoDeploymentProxy.selector, CREATE2_FACTORY));
        script.run();
    }
}
