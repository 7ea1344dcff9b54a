// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {GNT} from "../../src/GNT.sol";
import {PaymentChannels} from "../../src/PaymentChannels.sol";
import {IPaymentChannels} from "../../src/interfaces/IPaymentChannels.sol";

/// For every channel and every voucher that its payer signed: what `claimMany` pays, and what it leaves.
/// Run by `scripts/prove`.
contract ClaimsProof is Test {
    struct Entry {
        uint96 cumulative;
        uint32 epoch;
        bytes32 r;
        bytes32 vs;
    }

    address private constant PAYER = address(0xA11CE);
    address private constant PAYEE = address(0xB0B);

    GNT private gnt;
    PaymentChannels private channels;

    function setUp() public {
        gnt = new GNT(address(this));
        channels = new PaymentChannels(gnt, 1 days);
    }

    /// Never more than was signed, never more than was deposited, never what was claimed before, and nothing in another
    /// epoch; and what is due is paid.
    function check_one_voucher_pays_what_is_due(uint96 claimed, uint96 deposit, uint32 epoch, Entry memory entry)
        public
    {
        stored(claimed, deposit, epoch);
        assumeSigned(entry);
        uint256 paid = channels.claimMany(PAYEE, packed(entry));
        uint256 then = after_(claimed, deposit, epoch, entry);
        assertLeft(claimed, deposit, epoch, then, paid);
        assert(then == claimed || then <= entry.cumulative);
    }

    /// Two of one channel in one batch, in either order: never more than the deposit or the higher one, and all of what
    /// either is worth.
    function check_two_vouchers_pay_once(uint96 claimed, uint96 deposit, Entry memory first, Entry memory second)
        public
    {
        (first.epoch, second.epoch) = (1, 1);
        // Which bytes the two signatures are, the proof for one leaves open.
        (first.r, first.vs, second.r, second.vs) = (bytes32("r"), bytes32("s"), bytes32("R"), bytes32("S"));
        stored(claimed, deposit, 1);
        assumeSigned(first);
        assumeSigned(second);
        uint256 paid = channels.claimMany(PAYEE, bytes.concat(packed(first), packed(second)));
        uint256 then = channels.channel(PAYER, PAYEE).claimed;
        assert(paid == then - claimed);
        assert(gnt.balanceOf(PAYEE) == paid);
        assert(then <= deposit);
        assert(then == claimed || then <= first.cumulative || then <= second.cumulative);
        assert(then == deposit || (then >= first.cumulative && then >= second.cumulative));
    }

    /// What is claimed by the plain rule.
    function after_(uint256 claimed, uint256 deposit, uint256 epoch, Entry memory entry)
        private
        pure
        returns (uint256)
    {
        uint256 good = entry.cumulative < deposit ? entry.cumulative : deposit;
        return entry.epoch == epoch && good > claimed ? good : claimed;
    }

    function assertLeft(uint256 claimed, uint256 deposit, uint256 epoch, uint256 then, uint256 paid) private view {
        IPaymentChannels.Channel memory c = channels.channel(PAYER, PAYEE);
        assert(c.claimed == then);
        assert(c.deposit == deposit);
        assert(c.epoch == epoch);
        assert(c.claimed <= c.deposit);
        assert(paid == then - claimed);
        assert(gnt.balanceOf(PAYEE) == paid);
        assert(gnt.balanceOf(address(channels)) == c.deposit - c.claimed);
    }

    /// A channel where the contract keeps it, and the tokens for it.
    function stored(uint96 claimed, uint96 deposit, uint32 epoch) private {
        vm.assume(claimed <= deposit && deposit <= gnt.totalSupply());
        gnt.transfer(address(channels), deposit - claimed);
        bytes32 word = bytes32(abi.encodePacked(epoch, uint32(0), deposit, claimed));
        vm.store(address(channels), keccak256(abi.encode(PAYER, PAYEE)), word);
    }

    /// Whatever the curve says: this signature is the payer's.
    function assumeSigned(Entry memory entry) private view {
        bytes32 digest = channels.voucherDigest(PAYEE, entry.cumulative, entry.epoch);
        bytes32 s = bytes32((uint256(entry.vs) << 1) >> 1);
        vm.assume(uint256(s) <= 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0);
        vm.assume(ecrecover(digest, uint8(27 + (uint256(entry.vs) >> 255)), entry.r, s) == PAYER);
    }

    function packed(Entry memory entry) private pure returns (bytes memory) {
        return abi.encodePacked(entry.cumulative, entry.epoch, entry.r, entry.vs);
    }
}
