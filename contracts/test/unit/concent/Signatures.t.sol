// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {ConcentDeposit} from "../../../src/ConcentDeposit.sol";
import {IConcentDeposit} from "../../../src/interfaces/IConcentDeposit.sol";
import {ConcentTest} from "../../ConcentTest.sol";

/// How many of Concent's keys make a ruling, and which.
contract ConcentSignaturesTest is ConcentTest {
    uint256[] private keys;
    IConcentDeposit.Promise private p;
    bytes32 private digest;

    function setUp() public override {
        super.setUp();
        p = deployFor(3, 2);
        digest = concent.rulingDigest(requestor, concent.promiseDigest(p), AMOUNT, EVIDENCE);
    }

    function test_refuses_no_signatures() public {
        refuses("", 0, 2);
    }

    function test_refuses_one_of_two() public {
        for (uint256 i; i < keys.length; ++i) {
            refuses(packed(keys[i], digest), 1, 2);
        }
    }

    function test_refuses_the_same_key_twice() public {
        for (uint256 i; i < keys.length; ++i) {
            bytes memory once = packed(keys[i], digest);
            refuses(bytes.concat(once, once), 1, 2);
        }
    }

    function test_refuses_the_wrong_order() public {
        refuses(bytes.concat(packed(keys[1], digest), packed(keys[0], digest)), 1, 2);
        refuses(bytes.concat(packed(keys[2], digest), packed(keys[0], digest)), 1, 2);
        refuses(bytes.concat(packed(keys[2], digest), packed(keys[1], digest)), 1, 2);
    }

    /// Wherever it stands, and even where there are enough without it.
    function testFuzz_refuses_a_foreign_key_among_them(uint256 key) public {
        key = bound(key, 1, type(uint128).max);
        bytes memory foreign = packed(key, digest);
        bytes memory first = packed(keys[0], digest);
        bytes memory second = packed(keys[1], digest);
        refuses(bytes.concat(foreign, first, second), 0, 2);
        refuses(bytes.concat(first, foreign, second), 1, 2);
        refuses(bytes.concat(first, second, foreign), 2, 2);
    }

    function testFuzz_refuses_garbage_and_bytes_left_over(bytes32 r, bytes32 vs, bytes memory rest) public {
        bytes memory two = bytes.concat(packed(keys[0], digest), packed(keys[1], digest));
        refuses(abi.encodePacked(r, vs), 0, 2);
        refuses(bytes.concat(two, new bytes(64)), 2, 2);
        vm.assume(rest.length % 64 != 0);
        refuses(bytes.concat(two, rest), 2, 2);
    }

    /// Cut anywhere, two signatures are no two signatures.
    function testFuzz_refuses_what_is_cut_off(uint256 length) public {
        length = bound(length, 0, 127);
        bytes memory two = bytes.concat(packed(keys[0], digest), packed(keys[1], digest));
        bytes memory cut = new bytes(length);
        for (uint256 i; i < length; ++i) {
            cut[i] = two[i];
        }
        refuses(cut, length / 64, 2);
    }

    function test_takes_any_two_of_three() public {
        for (uint256 i; i < 3; ++i) {
            uint256 snapshot = vm.snapshotState();
            uint256[] memory two = new uint256[](2);
            (two[0], two[1]) = i == 0 ? (keys[0], keys[1]) : i == 1 ? (keys[0], keys[2]) : (keys[1], keys[2]);
            takes(packed(two, digest));
            vm.revertToState(snapshot);
        }
    }

    /// One more than is needed does no harm.
    function test_takes_all_three() public {
        takes(packed(keys, digest));
    }

    function testFuzz_takes_any_threshold_of_any_number(uint256 count, uint256 threshold, uint256 signers) public {
        count = bound(count, 1, 16);
        threshold = bound(threshold, 1, count);
        signers = bound(signers, 0, count);
        p = deployFor(count, threshold);
        digest = concent.rulingDigest(requestor, concent.promiseDigest(p), AMOUNT, EVIDENCE);
        bytes memory signatures;
        for (uint256 i = count - signers; i < count; ++i) {
            signatures = bytes.concat(signatures, packed(keys[i], digest));
        }
        if (signers < threshold) refuses(signatures, signers, threshold);
        else takes(signatures);
    }

    /// Deposits in a contract whose Concent are so many keys, and a promise there.
    function deployFor(uint256 count, uint256 threshold) private returns (IConcentDeposit.Promise memory) {
        address[] memory addresses;
        (keys, addresses) = keysOf("judge", count);
        concent = new ConcentDeposit(terms(), addresses, threshold);
        deposit(requestor, DEPOSIT);
        return promised();
    }

    function takes(bytes memory signatures) private {
        (bytes32 r, bytes32 vs) = signPromise(requestorKey, p);
        concent.rule(p, r, vs, AMOUNT, EVIDENCE, signatures);
        assertAccount(requestor, DEPOSIT - AMOUNT, 0, 0);
    }

    function refuses(bytes memory signatures, uint256 got, uint256 needed) private {
        (bytes32 r, bytes32 vs) = signPromise(requestorKey, p);
        vm.expectRevert(abi.encodeWithSelector(IConcentDeposit.TooFewSignatures.selector, got, needed));
        concent.rule(p, r, vs, AMOUNT, EVIDENCE, signatures);
    }
}
