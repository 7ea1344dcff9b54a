// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {PaymentChannels} from "../../src/PaymentChannels.sol";
import {Voucher} from "../../src/Voucher.sol";
import {ChannelsTest} from "../ChannelsTest.sol";

/// Vouchers as a third library makes them, `tests/vectors/voucher.json`.
contract VectorsTest is ChannelsTest {
    string private json;

    function setUp() public override {
        super.setUp();
        json = vm.readFile("../tests/vectors/voucher.json");
    }

    function test_type_of_vouchers_is_the_one_of_the_vectors() public view {
        assertEq(Voucher.TYPEHASH, vm.parseJsonBytes32(json, ".typeHash"));
        assertEq(keccak256(bytes(vm.parseJsonString(json, ".type"))), vm.parseJsonBytes32(json, ".typeHash"));
    }

    function test_digests_and_signatures_are_those_of_the_vectors() public {
        uint256 i;
        for (string memory one = at(0); vm.keyExistsJson(json, string.concat(one, ".name")); one = at(++i)) {
            check(one);
        }
        assertGt(i, 10, "all of the file");
    }

    function at(uint256 i) private pure returns (string memory) {
        return string.concat(".cases[", vm.toString(i), "]");
    }

    function check(string memory one) private {
        string memory name = vm.parseJsonString(json, string.concat(one, ".name"));
        vm.chainId(vm.parseJsonUint(json, string.concat(one, ".domain.chainId")));
        address contract_ = vm.parseJsonAddress(json, string.concat(one, ".domain.verifyingContract"));
        deployCodeTo("PaymentChannels.sol", abi.encode(gnt, DELAY), contract_);
        channels = PaymentChannels(contract_);

        address to = vm.parseJsonAddress(json, string.concat(one, ".message.payee"));
        uint32 epoch = uint32(vm.parseJsonUint(json, string.concat(one, ".message.epoch")));
        uint96 cumulative = uint96(vm.parseJsonUint(json, string.concat(one, ".message.cumulative")));
        bytes32 hash = channels.voucherDigest(to, cumulative, epoch);
        assertEq(channels.DOMAIN_SEPARATOR(), vm.parseJsonBytes32(json, string.concat(one, ".domainSeparator")), name);
        assertEq(hash, vm.parseJsonBytes32(json, string.concat(one, ".digest")), name);

        uint256 key = uint256(vm.parseJsonBytes32(json, string.concat(one, ".privateKey")));
        address from = vm.parseJsonAddress(json, string.concat(one, ".signer"));
        assertEq(vm.addr(key), from, name);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, hash);
        assertEq(abi.encodePacked(r, s, v), vm.parseJsonBytes(json, string.concat(one, ".signature")), name);
        (, bytes32 vs) = sign(key, hash);
        assertEq(abi.encodePacked(r, vs), vm.parseJsonBytes(json, string.concat(one, ".compact")), name);

        // Paid, once the channel is in the voucher's epoch with a deposit of 100 GNT.
        bytes memory packed = vm.parseJsonBytes(json, string.concat(one, ".packed"));
        assertEq(entry(cumulative, epoch, r, vs), packed, name);
        gnt.transfer(contract_, 100 ether);
        bytes32 stored = bytes32(abi.encodePacked(epoch, uint32(0), uint96(100 ether), uint96(0)));
        vm.store(contract_, keccak256(abi.encode(from, to)), stored);
        assertEq(channels.claimMany(to, packed), cumulative < 100 ether ? cumulative : 100 ether, name);
    }
}
