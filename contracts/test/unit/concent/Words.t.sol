// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {AccountWord} from "../../../src/AccountWord.sol";
import {ClaimWord} from "../../../src/ClaimWord.sol";
import {OfficeWord} from "../../../src/OfficeWord.sol";
import {IConcentDeposit} from "../../../src/interfaces/IConcentDeposit.sol";

/// Pins the packing of what `ConcentDeposit` stores against the plain way.
contract ConcentWordsTest is Test {
    function testFuzz_packs_an_account(uint96 deposit, uint96 reserved, uint40 unlockAt, uint96 more, uint96 less)
        public
        pure
    {
        reserved = uint96(bound(reserved, 0, deposit));
        uint256 word = AccountWord.plusReserved(AccountWord.locked(0, deposit), reserved);
        assertAccount(word, deposit, reserved, 0);
        word = AccountWord.unlocked(word, unlockAt);
        assertAccount(word, deposit, reserved, unlockAt);
        more = uint96(bound(more, 0, type(uint96).max - deposit));
        assertAccount(AccountWord.plusDeposit(word, more), deposit + more, reserved, unlockAt);
        assertAccount(AccountWord.locked(word, more), deposit + more, reserved, 0);
        less = uint96(bound(less, 0, deposit - reserved));
        assertAccount(AccountWord.minusDeposit(word, less), deposit - less, reserved, unlockAt);
        assertAccount(AccountWord.plusReserved(word, less), deposit, reserved + less, unlockAt);
        less = uint96(bound(less, 0, reserved));
        assertAccount(AccountWord.minusReserved(word, less), deposit, reserved - less, unlockAt);
    }

    function testFuzz_packs_a_claim(uint8 stage, uint40 due, uint96 reserved, uint96 amount) public pure {
        IConcentDeposit.Stage stage_ = IConcentDeposit.Stage(bound(stage, 0, 2));
        uint256 word = ClaimWord.pack(stage_, due, reserved, amount);
        assertEq(uint8(ClaimWord.stage(word)), uint8(stage_));
        assertEq(ClaimWord.due(word), due);
        assertEq(ClaimWord.reserved(word), reserved);
        assertEq(ClaimWord.amount(word), amount);
    }

    function testFuzz_packs_the_office(address[2] memory keys, uint8[2] memory thresholds, uint16 day, uint64 moved)
        public
        pure
    {
        uint256 word = OfficeWord.withKeys(0, keys[0], thresholds[0]);
        assertOffice(word, keys[0], thresholds[0], 0, 0);
        word = OfficeWord.withMoved(word, day, moved);
        assertOffice(word, keys[0], thresholds[0], day, moved);
        word = OfficeWord.withKeys(word, keys[1], thresholds[1]);
        assertOffice(word, keys[1], thresholds[1], day, moved);
        word = OfficeWord.withMoved(word, day, moved / 2);
        assertOffice(word, keys[1], thresholds[1], day, moved / 2);
    }

    function testFuzz_another_day_begins_at_nothing(uint16 day, uint16 other, uint64 moved) public pure {
        vm.assume(day != other);
        uint256 word = OfficeWord.withMoved(OfficeWord.withKeys(0, address(1), 1), day, moved);
        assertEq(OfficeWord.movedGwei(word, other), 0);
    }

    function assertAccount(uint256 word, uint96 deposit, uint96 reserved, uint40 unlockAt) private pure {
        assertEq(AccountWord.deposit(word), deposit, "deposit");
        assertEq(AccountWord.reserved(word), reserved, "reserved");
        assertEq(AccountWord.unlockAt(word), unlockAt, "unlockAt");
        assertEq(AccountWord.free(word), deposit - reserved, "free");
    }

    function assertOffice(uint256 word, address key, uint8 threshold, uint16 day, uint64 moved) private pure {
        assertEq(OfficeWord.leadKey(word), key);
        assertEq(OfficeWord.threshold(word), threshold);
        assertEq(OfficeWord.movedGwei(word, day), moved);
    }
}
