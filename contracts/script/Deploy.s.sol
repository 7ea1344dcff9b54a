// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {Script} from "forge-std/Script.sol";
import {console} from "forge-std/console.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Faucet} from "../src/Faucet.sol";
import {GNT} from "../src/GNT.sol";
import {PaymentChannels} from "../src/PaymentChannels.sol";

/// Deploys what a network of Golem nodes needs and prints where it is:
///
///     forge script script/Deploy.s.sol --rpc-url $RPC_URL --broadcast --account my-keystore-account
///
/// By environment:
///     GOLEM_TOKEN             an ERC-20 that exists; without it a GNT and a faucet are deployed (test networks only)
///     GOLEM_CLOSE_DELAY_S     seconds a payee has after `requestClose`; one day
///     GOLEM_FAUCET_DRIP_WEI   what the faucet gives at a time; 1,000 GNT
///     GOLEM_FAUCET_INTERVAL_S seconds between two drips to one address; one day
///     GOLEM_FAUCET_FUNDS_WEI  what the faucet starts with; 1,000,000 GNT. The deployer keeps the rest
contract Deploy is Script {
    /// A token that pretends to be GNT has no place on a network where GNT has a price.
    error TokenRequiredOnMainnet(string setThis);

    function run() external returns (IERC20 token, Faucet faucet, PaymentChannels channels) {
        token = IERC20(vm.envOr("GOLEM_TOKEN", address(0)));
        uint32 closeDelay = SafeCast.toUint32(vm.envOr("GOLEM_CLOSE_DELAY_S", uint256(1 days)));
        uint256 drip = vm.envOr("GOLEM_FAUCET_DRIP_WEI", uint256(1000 ether));
        uint256 interval = vm.envOr("GOLEM_FAUCET_INTERVAL_S", uint256(1 days));
        uint256 funds = vm.envOr("GOLEM_FAUCET_FUNDS_WEI", uint256(1_000_000 ether));
        if (address(token) == address(0) && block.chainid == 1) revert TokenRequiredOnMainnet("GOLEM_TOKEN");

        vm.startBroadcast();
        if (address(token) == address(0)) {
            (, address deployer,) = vm.readCallers();
            token = new GNT(deployer);
            faucet = new Faucet(token, drip, interval);
            require(token.transfer(address(faucet), funds), "the faucet got nothing");
        }
        channels = new PaymentChannels(token, closeDelay);
        vm.stopBroadcast();

        console.log("chain id       ", block.chainid);
        console.log("token          ", address(token));
        if (address(faucet) != address(0)) console.log("Faucet         ", address(faucet));
        console.log("PaymentChannels", address(channels));
        console.log("close delay (s)", closeDelay);
    }
}
