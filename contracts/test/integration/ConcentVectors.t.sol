// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {CompactSignature} from "../../src/CompactSignature.sol";
import {ConcentDeposit} from "../../src/ConcentDeposit.sol";
import {IConcentDeposit} from "../../src/interfaces/IConcentDeposit.sol";
import {ConcentTest} from "../ConcentTest.sol";

/// Promises, receipts, rulings and rotations as a third library makes them, `tests/vectors/*.json`.
contract ConcentVectorsTest is ConcentTest {
    string private json;

    function test_promises_are_those_of_the_vectors() public {
        check("promise", promiseDigest);
    }

    function test_receipts_are_those_of_the_vectors() public {
        check("receipt", receiptDigest);
    }

    function test_rulings_are_those_of_the_vectors() public {
        check("ruling", rulingDigest);
    }

    function test_rotations_are_those_of_the_vectors() public {
        check("rotation", rotationDigest);
    }

    function test_cancelled_rotations_are_those_of_the_vectors() public {
        check("cancel-rotation", cancelRotationDigest);
    }

    function promiseDigest(string memory message) private view returns (bytes32) {
        return concent.promiseDigest(
            IConcentDeposit.Promise({
                provider: vm.parseJsonAddress(json, string.concat(message, ".provider")),
                amount: uint96(number(message, ".amount")),
                nonce: number(message, ".nonce"),
                deal: word(message, ".deal"),
                deadline: uint40(number(message, ".deadline"))
            })
        );
    }

    function receiptDigest(string memory message) private view returns (bytes32) {
        address by = vm.parseJsonAddress(json, string.concat(message, ".requestor"));
        return concent.receiptDigest(by, word(message, ".promiseDigest"));
    }

    function rulingDigest(string memory message) private view returns (bytes32) {
        address by = vm.parseJsonAddress(json, string.concat(message, ".requestor"));
        uint96 amount = uint96(number(message, ".amount"));
        return concent.rulingDigest(by, word(message, ".promiseDigest"), amount, word(message, ".evidence"));
    }

    function rotationDigest(string memory message) private view returns (bytes32) {
        address[] memory keys = vm.parseJsonAddressArray(json, string.concat(message, ".keys"));
        return concent.rotationDigest(keys, number(message, ".threshold"), number(message, ".nonce"));
    }

    function cancelRotationDigest(string memory message) private view returns (bytes32) {
        return concent.cancelRotationDigest(number(message, ".nonce"));
    }

    /// All cases of a document: its type, and for each the domain, the digest and the signature.
    function check(string memory document, function(string memory) view returns (bytes32) digestOf) private {
        json = vm.readFile(string.concat("../tests/vectors/", document, ".json"));
        assertEq(keccak256(bytes(vm.parseJsonString(json, ".type"))), word("", ".typeHash"));
        uint256 i;
        string memory one_ = ".cases[0]";
        for (; vm.keyExistsJson(json, string.concat(one_, ".name")); one_ = next(++i)) {
            string memory name = vm.parseJsonString(json, string.concat(one_, ".name"));
            vm.chainId(number(one_, ".domain.chainId"));
            address contract_ = vm.parseJsonAddress(json, string.concat(one_, ".domain.verifyingContract"));
            deployCodeTo("ConcentDeposit.sol", abi.encode(terms(), one(judge), 1), contract_);
            concent = ConcentDeposit(contract_);

            bytes32 digest = digestOf(string.concat(one_, ".message"));
            assertEq(concent.DOMAIN_SEPARATOR(), word(one_, ".domainSeparator"), name);
            assertEq(digest, word(one_, ".digest"), name);
            (bytes32 r, bytes32 vs) = vm.signCompact(uint256(word(one_, ".privateKey")), digest);
            assertEq(abi.encodePacked(r, vs), vm.parseJsonBytes(json, string.concat(one_, ".compact")), name);
            address signer = vm.parseJsonAddress(json, string.concat(one_, ".signer"));
            assertEq(CompactSignature.signer(digest, r, vs), signer, name);
        }
        assertGt(i, 2, "all of the file");
    }

    function next(uint256 i) private pure returns (string memory) {
        return string.concat(".cases[", vm.toString(i), "]");
    }

    function number(string memory place, string memory key) private view returns (uint256) {
        return vm.parseJsonUint(json, string.concat(place, key));
    }

    function word(string memory place, string memory key) private view returns (bytes32) {
        return vm.parseJsonBytes32(json, string.concat(place, key));
    }
}
