// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {ConcentDeposit} from "../../../src/ConcentDeposit.sol";
import {IConcentDeposit} from "../../../src/interfaces/IConcentDeposit.sol";
import {ConcentTest} from "../../ConcentTest.sol";

/// What is read off the contract, and what is signed, told from it the plain way.
contract ConcentViewsTest is ConcentTest {
    function testFuzz_nobody_has_anything_at_first(address owner, bytes32 digest, uint256 nonce) public view {
        vm.assume(owner != requestor && owner != provider);
        assertAccount(owner, 0, 0, 0);
        IConcentDeposit.Claim memory c = concent.claimOf(owner, digest);
        assertEq(abi.encode(c), abi.encode(IConcentDeposit.Claim(0, 0, 0, IConcentDeposit.Stage.None)));
        assertFalse(concent.isUsedUp(owner, provider, nonce));
        assertEq(concent.movedToday(), 0);
        (uint256 rotationNonce, bytes32 proposed, uint40 activeAt) = concent.rotation();
        assertEq(abi.encode(rotationNonce, proposed, activeAt), abi.encode(0, 0, 0));
    }

    function test_says_its_terms_and_keys() public view {
        assertEq(abi.encode(concent.terms()), abi.encode(terms()));
        (address[] memory keys, uint256 threshold) = concent.concent();
        assertEq(keys, one(judge));
        assertEq(threshold, 1);
    }

    function test_says_its_domain_as_EIP_5267_has_it() public view {
        (bytes1 fields, string memory name, string memory version, uint256 chainId, address where, bytes32 salt,) =
            concent.eip712Domain();
        assertEq(fields, hex"0f");
        assertEq(abi.encode(name, version), abi.encode("Golem ConcentDeposit", "1"));
        assertEq(chainId, CHAIN_ID);
        assertEq(where, address(concent));
        assertEq(salt, 0);
        assertEq(concent.DOMAIN_SEPARATOR(), domain(CHAIN_ID, address(concent)));
    }

    function testFuzz_promises_are_hashed_as_EIP_712_has_it(IConcentDeposit.Promise memory p) public view {
        bytes32 typehash =
            keccak256("Promise(address provider,uint96 amount,uint256 nonce,bytes32 deal,uint40 deadline)");
        bytes32 structHash = keccak256(abi.encode(typehash, p.provider, p.amount, p.nonce, p.deal, p.deadline));
        assertEq(concent.promiseDigest(p), typed(structHash));
    }

    function testFuzz_receipts_are_hashed_as_EIP_712_has_it(address by, bytes32 digest) public view {
        bytes32 typehash = keccak256("Receipt(address requestor,bytes32 promiseDigest)");
        assertEq(concent.receiptDigest(by, digest), typed(keccak256(abi.encode(typehash, by, digest))));
    }

    function testFuzz_rulings_are_hashed_as_EIP_712_has_it(address by, bytes32 digest, uint96 amount, bytes32 evidence)
        public
        view
    {
        bytes32 typehash = keccak256("Ruling(address requestor,bytes32 promiseDigest,uint96 amount,bytes32 evidence)");
        bytes32 structHash = keccak256(abi.encode(typehash, by, digest, amount, evidence));
        assertEq(concent.rulingDigest(by, digest, amount, evidence), typed(structHash));
    }

    function testFuzz_rotations_are_hashed_as_EIP_712_has_it(address[] memory keys, uint256 threshold, uint256 nonce)
        public
        view
    {
        bytes memory list;
        for (uint256 i; i < keys.length; ++i) {
            list = bytes.concat(list, abi.encode(keys[i]));
        }
        bytes32 typehash = keccak256("Rotation(address[] keys,uint256 threshold,uint256 nonce)");
        bytes32 structHash = keccak256(abi.encode(typehash, keccak256(list), threshold, nonce));
        assertEq(concent.rotationDigest(keys, threshold, nonce), typed(structHash));
        structHash = keccak256(abi.encode(keccak256("CancelRotation(uint256 nonce)"), nonce));
        assertEq(concent.cancelRotationDigest(nonce), typed(structHash));
    }

    function testFuzz_a_forked_chain_has_another_domain(uint64 chainId) public {
        vm.assume(chainId != 0 && chainId != CHAIN_ID);
        vm.chainId(chainId);
        assertEq(concent.DOMAIN_SEPARATOR(), domain(chainId, address(concent)));
    }

    function test_another_contract_has_another_domain() public {
        ConcentDeposit other = new ConcentDeposit(terms(), one(judge), 1);
        assertEq(other.DOMAIN_SEPARATOR(), domain(CHAIN_ID, address(other)));
        assertNotEq(other.DOMAIN_SEPARATOR(), concent.DOMAIN_SEPARATOR());
    }

    function domain(uint256 chainId, address where) private pure returns (bytes32) {
        bytes32 typehash =
            keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
        return keccak256(abi.encode(typehash, keccak256("Golem ConcentDeposit"), keccak256("1"), chainId, where));
    }

    function typed(bytes32 structHash) private view returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", domain(CHAIN_ID, address(concent)), structHash));
    }
}
