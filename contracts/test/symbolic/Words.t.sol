// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {AccountWord} from "../../src/AccountWord.sol";
import {ChannelWord} from "../../src/ChannelWord.sol";
import {ClaimWord} from "../../src/ClaimWord.sol";
import {OfficeWord} from "../../src/OfficeWord.sol";
import {IConcentDeposit} from "../../src/interfaces/IConcentDeposit.sol";

/// For every value of every field: what is packed is read back, and a change of one field is none of another.
/// Run by `scripts/prove`.
contract WordsProof is Test {
    function check_a_channel_is_read_back(uint96 claimed, uint96 deposit, uint32 epoch) public pure {
        assertChannel(ChannelWord.funded(epoch, deposit, claimed), claimed, deposit, 0, epoch);
    }

    function check_a_channel_changes_one_field(
        uint96 claimed,
        uint96 deposit,
        uint32 closeAt,
        uint32 epoch,
        uint96 added
    ) public pure {
        uint256 word = ChannelWord.funded(epoch, deposit, claimed);
        vm.assume(uint256(claimed) + added <= deposit);
        assertChannel(ChannelWord.plusClaimed(word, added), claimed + added, deposit, 0, epoch);
        word = ChannelWord.withCloseAt(word, closeAt);
        assertChannel(word, claimed, deposit, closeAt, epoch);
        assertChannel(ChannelWord.plusClaimed(word, added), claimed + added, deposit, closeAt, epoch);
        assertChannel(ChannelWord.closed(word), 0, 0, 0, epoch);
    }

    function check_two_channels_are_never_the_same_word(uint256 word, uint256 other) public pure {
        vm.assume(word != other);
        assert(
            ChannelWord.claimed(word) != ChannelWord.claimed(other)
                || ChannelWord.deposit(word) != ChannelWord.deposit(other)
                || ChannelWord.closeAt(word) != ChannelWord.closeAt(other)
                || ChannelWord.epoch(word) != ChannelWord.epoch(other)
        );
    }

    /// From any account that holds what it reserves, to the one with `amount` more or less, which holds it too.
    function check_an_account_changes_one_field(uint96 deposit, uint96 reserved, uint40 unlockAt, uint96 amount)
        public
        pure
    {
        vm.assume(reserved <= deposit);
        uint256 word = account(deposit, reserved, unlockAt);
        assertAccount(word, deposit, reserved, unlockAt);
        if (uint256(deposit) + amount <= type(uint96).max) {
            assertAccount(AccountWord.plusDeposit(word, amount), deposit + amount, reserved, unlockAt);
            assertAccount(AccountWord.locked(word, amount), deposit + amount, reserved, 0);
        }
        if (amount <= deposit - reserved) {
            assertAccount(AccountWord.minusDeposit(word, amount), deposit - amount, reserved, unlockAt);
            assertAccount(AccountWord.plusReserved(word, amount), deposit, reserved + amount, unlockAt);
        }
        if (amount <= reserved) {
            assertAccount(AccountWord.minusReserved(word, amount), deposit, reserved - amount, unlockAt);
        }
    }

    function check_an_account_is_unlocked_once(uint96 deposit, uint96 reserved, uint40 unlockAt) public pure {
        vm.assume(reserved <= deposit);
        assertAccount(AccountWord.unlocked(account(deposit, reserved, 0), unlockAt), deposit, reserved, unlockAt);
    }

    function check_a_claim_is_read_back(uint8 stage, uint40 due, uint96 reserved, uint96 amount) public pure {
        vm.assume(stage <= uint8(IConcentDeposit.Stage.Contested));
        uint256 word = ClaimWord.pack(IConcentDeposit.Stage(stage), due, reserved, amount);
        assert(uint8(ClaimWord.stage(word)) == stage);
        assert(ClaimWord.due(word) == due);
        assert(ClaimWord.reserved(word) == reserved);
        assert(ClaimWord.amount(word) == amount);
        // What is there is never taken for no claim.
        assert(stage == 0 || word != 0);
    }

    function check_the_office_changes_one_side(uint256 word, address key, uint8 threshold, uint16 day, uint64 movedGwei)
        public
        pure
    {
        uint256 other = OfficeWord.withKeys(word, key, threshold);
        assert(OfficeWord.leadKey(other) == key);
        assert(OfficeWord.threshold(other) == threshold);
        assert(OfficeWord.movedGwei(other, day) == OfficeWord.movedGwei(word, day));
        other = OfficeWord.withMoved(word, day, movedGwei);
        assert(OfficeWord.leadKey(other) == OfficeWord.leadKey(word));
        assert(OfficeWord.threshold(other) == OfficeWord.threshold(word));
        assert(OfficeWord.movedGwei(other, day) == movedGwei);
    }

    function check_another_day_begins_at_nothing(uint256 word, uint16 day, uint16 other, uint64 movedGwei) public pure {
        vm.assume(day != other);
        assert(OfficeWord.movedGwei(OfficeWord.withMoved(word, day, movedGwei), other) == 0);
    }

    function account(uint96 deposit, uint96 reserved, uint40 unlockAt) private pure returns (uint256) {
        return uint256(bytes32(abi.encodePacked(bytes3(0), unlockAt, reserved, deposit)));
    }

    function assertChannel(uint256 word, uint256 claimed, uint256 deposit, uint256 closeAt, uint256 epoch)
        private
        pure
    {
        assert(ChannelWord.claimed(word) == claimed);
        assert(ChannelWord.deposit(word) == deposit);
        assert(ChannelWord.closeAt(word) == closeAt);
        assert(ChannelWord.epoch(word) == epoch);
    }

    function assertAccount(uint256 word, uint256 deposit, uint256 reserved, uint256 unlockAt) private pure {
        assert(AccountWord.deposit(word) == deposit);
        assert(AccountWord.reserved(word) == reserved);
        assert(AccountWord.unlockAt(word) == unlockAt);
        assert(AccountWord.free(word) == deposit - reserved);
    }
}
