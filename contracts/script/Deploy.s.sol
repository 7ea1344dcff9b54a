// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {Script} from "forge-std/Script.sol";
import {console} from "forge-std/console.sol";
import {VmSafe} from "forge-std/Vm.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IConcentDeposit} from "../src/interfaces/IConcentDeposit.sol";

/// Deploys what a network of Golem nodes needs, at the same addresses as `golem deploy` and on every chain, and skips
/// what is there:
///
///     forge script script/Deploy.s.sol --rpc-url $RPC_URL --broadcast --account my-keystore-account
///
/// Each contract is created by the deterministic deployment proxy with the salt keccak256("golem/1"), from the bytecode
/// in `artifacts/`. So its address depends on its constructor's arguments alone: that of GNT on the deployer, who holds
/// the supply; those of PaymentChannels, Faucet and ConcentDeposit on the token and their terms; that of AppRegistry on
/// nothing. With `--broadcast` the addresses go to `deployments/<chain id>.json`, where nodes look; written before the
/// transactions are mined, so run `golem deploy` with the same terms afterwards, which verifies all of it.
///
/// By environment:
///     GOLEM_TOKEN             an ERC-20 that exists; without it a GNT and a faucet are deployed (test networks only)
///     GOLEM_CLOSE_DELAY_S     seconds a payee has after `requestClose`; one day
///     GOLEM_FAUCET_DRIP_WEI   what the faucet gives at a time; 1,000 GNT
///     GOLEM_FAUCET_INTERVAL_S seconds between two drips to one address; one day
///     GOLEM_FAUCET_FUNDS_WEI  what a faucet that cannot give is filled up to; 100,000,000 GNT. The deployer keeps the rest
///     GOLEM_CONCENT_KEYS      addresses of Concent's keys, with commas; without, no ConcentDeposit is deployed
///     GOLEM_CONCENT_THRESHOLD how many of them make a ruling
///     GOLEM_CONCENT_TREASURY  whose account gets the verification fees
contract Deploy is Script {
    /// A token that pretends to be GNT has no place on a network where GNT has a price.
    error TokenRequiredOnMainnet(string setThis);
    /// The chain has no deployment proxy. `golem deploy` puts it there.
    error NoDeploymentProxy(address proxy);
    /// The proxy created nothing. Called without it, the constructor says why.
    error NotCreated(string contractName);

    /// Where everything is, as the deployment file has it. Zero is nothing.
    struct Deployed {
        address token;
        address faucet;
        address channels;
        address concentDeposit;
        address appRegistry;
        uint32 closeDelay;
        /// Nothing of it is older than this block.
        uint256 fromBlock;
    }

    bytes32 public constant SALT = keccak256("golem/1");
    uint32 private constant FEE_NOTICE = 7 days;
    /// Its file says where a new `golem devnet` has its contracts, and stays as it is.
    uint256 private constant DEVELOPMENT_CHAIN = 31_337;

    function run() external returns (Deployed memory deployed) {
        deployed.token = vm.envOr("GOLEM_TOKEN", address(0));
        deployed.closeDelay = SafeCast.toUint32(vm.envOr("GOLEM_CLOSE_DELAY_S", uint256(1 days)));
        bool ownToken = deployed.token == address(0);
        if (ownToken && block.chainid == 1) revert TokenRequiredOnMainnet("GOLEM_TOKEN");
        if (CREATE2_FACTORY.code.length == 0) revert NoDeploymentProxy(CREATE2_FACTORY);

        vm.startBroadcast();
        if (ownToken) {
            (, address deployer,) = vm.readCallers();
            (deployed.token,) = _place("GNT", abi.encode(deployer));
        }
        bool isNew;
        (deployed.channels, isNew) = _place("PaymentChannels", abi.encode(deployed.token, deployed.closeDelay));
        (deployed.appRegistry,) = _place("AppRegistry", abi.encode(FEE_NOTICE));
        address[] memory keys = vm.envOr("GOLEM_CONCENT_KEYS", ",", new address[](0));
        if (keys.length > 0) deployed.concentDeposit = _placeConcent(deployed.token, keys);
        if (ownToken) deployed.faucet = _placeFaucet(deployed.token);
        vm.stopBroadcast();

        deployed.fromBlock = isNew ? block.number : _writtenBlock(deployed.channels);
        console.log(json(deployed));
        if (keys.length == 0) console.log("no ConcentDeposit, since there are no GOLEM_CONCENT_KEYS");
        if (vm.isContext(VmSafe.ForgeContext.ScriptBroadcast) && block.chainid != DEVELOPMENT_CHAIN) {
            vm.createDir("deployments", true);
            vm.writeFile(_file(), string.concat(json(deployed), "\n"));
        }
    }

    /// The deployment file, as `golem deploy` writes it.
    function json(Deployed memory deployed) public view returns (string memory) {
        string memory places = string.concat(
            _field("gnt", deployed.token),
            _field("faucet", deployed.faucet),
            _field("channels", deployed.channels),
            _field("concent_deposit", deployed.concentDeposit),
            _field("app_registry", deployed.appRegistry)
        );
        return string.concat(
            '{\n  "chain_id": ',
            vm.toString(block.chainid),
            places,
            ',\n  "close_delay_s": ',
            vm.toString(deployed.closeDelay),
            ',\n  "block": ',
            vm.toString(deployed.fromBlock),
            "\n}"
        );
    }

    function _field(string memory name, address place) private pure returns (string memory) {
        string memory quoted = string.concat('"', vm.toLowercase(vm.toString(place)), '"');
        return string.concat(',\n  "', name, '": ', place == address(0) ? "null" : quoted);
    }

    /// Creates a contract if it is not there.
    function _place(string memory name, bytes memory arguments) private returns (address place, bool isNew) {
        bytes memory creationCode = bytes.concat(vm.getCode(string.concat("artifacts/", name, ".json")), arguments);
        place = vm.computeCreate2Address(SALT, keccak256(creationCode), CREATE2_FACTORY);
        isNew = place.code.length == 0;
        if (isNew) {
            (bool done,) = CREATE2_FACTORY.call(bytes.concat(SALT, creationCode));
            if (!done) _explain(name, creationCode);
        }
        console.log(isNew ? "deployed" : "found   ", place, name);
    }

    /// The proxy swallows a constructor's reasons: creates the contract without it, only to revert as that does.
    function _explain(string memory name, bytes memory creationCode) private {
        address place;
        assembly ("memory-safe") {
            place := create(0, add(creationCode, 0x20), mload(creationCode))
            if iszero(place) {
                let said := mload(0x40)
                returndatacopy(said, 0, returndatasize())
                revert(said, returndatasize())
            }
        }
        revert NotCreated(name);
    }

    /// Fills it too, if it has not enough to give once.
    function _placeFaucet(address token) private returns (address faucet) {
        uint256 drip = vm.envOr("GOLEM_FAUCET_DRIP_WEI", uint256(1000 ether));
        uint256 interval = vm.envOr("GOLEM_FAUCET_INTERVAL_S", uint256(1 days));
        uint256 funds = vm.envOr("GOLEM_FAUCET_FUNDS_WEI", uint256(100_000_000 ether));
        (faucet,) = _place("Faucet", abi.encode(token, drip, interval));
        uint256 held = IERC20(token).balanceOf(faucet);
        if (held < drip) require(IERC20(token).transfer(faucet, funds - held), "the faucet got nothing");
    }

    /// The terms besides keys, threshold and treasury are the usual ones of `golem deploy`.
    function _placeConcent(address token, address[] memory keys) private returns (address place) {
        IConcentDeposit.Terms memory terms = IConcentDeposit.Terms({
            token: IERC20(token),
            treasury: vm.envAddress("GOLEM_CONCENT_TREASURY"),
            withdrawDelay: 2 days,
            contestWindow: 1 days,
            rulingWindow: 3 days,
            rotationDelay: 7 days,
            fee: 2 ether,
            cover: 1 ether,
            dailyLimit: 10_000 ether,
            depositMax: 10_000 ether
        });
        _sort(keys);
        (place,) = _place("ConcentDeposit", abi.encode(terms, keys, vm.envUint("GOLEM_CONCENT_THRESHOLD")));
    }

    function _sort(address[] memory keys) private pure {
        for (uint256 i = 1; i < keys.length; ++i) {
            for (uint256 j = i; j > 0 && keys[j - 1] > keys[j]; --j) {
                (keys[j - 1], keys[j]) = (keys[j], keys[j - 1]);
            }
        }
    }

    /// The block that the file has for these channels; 0 where it has none, which `golem deploy` can put right.
    function _writtenBlock(address channels) private view returns (uint256) {
        if (!vm.exists(_file())) return 0;
        string memory written = vm.readFile(_file());
        return vm.parseJsonAddress(written, ".channels") == channels ? vm.parseJsonUint(written, ".block") : 0;
    }

    function _file() private view returns (string memory) {
        return string.concat("deployments/", vm.toString(block.chainid), ".json");
    }
}
