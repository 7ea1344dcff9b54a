// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {GNT} from "../../src/GNT.sol";
import {PaymentChannels} from "../../src/PaymentChannels.sol";
import {IPaymentChannels} from "../../src/interfaces/IPaymentChannels.sol";

/// Everybody who deals with the contracts: payers and payees who mean it, and a stranger who does not. It remembers
/// what it did, apart from the contract, so that the invariants have something to compare with. A call that it expects
/// to succeed must succeed (`fail_on_revert`); one that it expects to fail must fail with the error it names.
contract Actors is Test {
    /// What is known of a channel from the outside.
    struct Known {
        uint96 deposit;
        uint96 claimed;
        uint32 epoch;
        uint32 closeAt;
        /// The highest amount signed in this epoch.
        uint96 signed;
        /// All the payee ever got, and all it could ever have got by signatures and deposits.
        uint256 paidInAll;
        uint256 payableInAll;
    }

    /// A voucher that was signed, of whatever epoch.
    struct Signed {
        address payer;
        address payee;
        uint32 epoch;
        uint96 cumulative;
        bytes packed;
    }

    uint256 public constant PARTIES = 4;
    uint96 public constant FUNDS = 1000 ether;
    /// Enough to try old ones; more would only slow the run.
    uint256 private constant VOUCHERS_MAX = 64;

    GNT public immutable GNT_;
    PaymentChannels public immutable CHANNELS;
    /// The same contract at another address, where nothing of this may count.
    PaymentChannels public immutable TWIN;

    address[] public parties;
    mapping(address party => uint256) private keys;
    mapping(address payer => mapping(address payee => Known)) private known_;
    Signed[] private vouchers;

    /// What went wrong, in words; empty where nothing did.
    string public violation;

    constructor(GNT gnt, PaymentChannels channels, PaymentChannels twin) {
        (GNT_, CHANNELS, TWIN) = (gnt, channels, twin);
        for (uint256 i; i < PARTIES; ++i) {
            (address party, uint256 key) = makeAddrAndKey(string.concat("party ", vm.toString(i)));
            parties.push(party);
            keys[party] = key;
        }
    }

    function known(address payer, address payee) external view returns (Known memory) {
        return known_[payer][payee];
    }

    // What parties do

    function fund(uint256 seed, uint96 amount, bool byAllowance) external {
        (address payer, address payee) = pair(seed);
        uint256 held = GNT_.balanceOf(payer);
        if (held == 0) return;
        amount = uint96(bound(amount, 1, held));
        bytes32[] memory fundings = new bytes32[](1);
        fundings[0] = bytes32((uint256(amount) << 160) | uint160(payee));
        vm.startPrank(payer);
        if (byAllowance) {
            GNT_.approve(address(CHANNELS), amount);
            CHANNELS.fund(fundings);
        } else {
            GNT_.transferAndCall(address(CHANNELS), amount, abi.encodePacked(fundings[0]));
        }
        vm.stopPrank();

        Known storage k = known_[payer][payee];
        if (k.deposit == 0) {
            k.epoch += 1;
            k.signed = 0;
        }
        k.deposit += amount;
        k.closeAt = 0;
        k.payableInAll += amount;
    }

    /// Signs in the present epoch, above the deposit too: nobody can be made to pay more than is there.
    function sign(uint256 seed, uint96 cumulative) external {
        (address payer, address payee) = pair(seed);
        Known storage k = known_[payer][payee];
        if (k.deposit == 0 || vouchers.length == VOUCHERS_MAX) return;
        cumulative = uint96(bound(cumulative, 1, uint256(k.deposit) + 10 ether));
        bytes memory packed = voucher(CHANNELS, payer, payee, k.epoch, cumulative);
        vouchers.push(Signed(payer, payee, k.epoch, cumulative, packed));
        if (cumulative > k.signed) k.signed = cumulative;
    }

    /// Any vouchers, old and new, of any payer, sent by anybody for one payee.
    function claim(uint256 payeeSeed, uint256 seed, uint256 count, uint256 sender) external {
        if (vouchers.length == 0) return;
        address payee = parties[payeeSeed % PARTIES];
        count = bound(count, 1, 6);
        bytes memory batch;
        uint256 expected;
        for (uint256 i; i < count; ++i) {
            Signed storage s = vouchers[uint256(keccak256(abi.encode(seed, i))) % vouchers.length];
            batch = bytes.concat(batch, s.packed);
            Known storage k = known_[s.payer][s.payee];
            if (s.payee != payee || s.epoch != k.epoch) continue;
            uint96 claimed = s.cumulative < k.deposit ? s.cumulative : k.deposit;
            if (claimed <= k.claimed) continue;
            expected += claimed - k.claimed;
            k.paidInAll += claimed - k.claimed;
            k.claimed = claimed;
        }
        uint256 before = GNT_.balanceOf(payee);
        vm.prank(parties[sender % PARTIES]);
        uint256 paid = CHANNELS.claimMany(payee, batch);
        check(paid == expected, "a valid voucher did not pay, or another one did");
        check(GNT_.balanceOf(payee) == before + expected, "the payee did not get what was claimed");
        check(TWIN.claimMany(payee, batch) == 0, "a voucher paid on another contract");
    }

    function close(uint256 index) external {
        if (vouchers.length == 0) return;
        Signed storage s = vouchers[index % vouchers.length];
        Known storage k = known_[s.payer][s.payee];
        if (k.deposit == 0 || s.epoch != k.epoch || s.cumulative < k.claimed) return;
        (bytes32 r, bytes32 vs) = signature(CHANNELS, s.payer, s.payee, s.epoch, s.cumulative);
        uint256 before = GNT_.balanceOf(s.payer);
        vm.prank(s.payee);
        CHANNELS.close(s.payer, s.cumulative, s.epoch, r, vs);
        uint96 claimed = s.cumulative < k.deposit ? s.cumulative : k.deposit;
        k.paidInAll += claimed - k.claimed;
        k.payableInAll -= k.deposit - claimed;
        check(GNT_.balanceOf(s.payer) == before + k.deposit - claimed, "the payer did not get the rest");
        (k.deposit, k.claimed, k.closeAt) = (0, 0, 0);
    }

    function requestClose(uint256 seed) external {
        (address payer, address payee) = pair(seed);
        Known storage k = known_[payer][payee];
        if (k.deposit == 0 || k.closeAt != 0) return;
        vm.prank(payer);
        CHANNELS.requestClose(payee);
        k.closeAt = uint32(vm.getBlockTimestamp() + CHANNELS.CLOSE_DELAY());
    }

    function finalize(uint256 seed, uint256 sender) external {
        (address payer, address payee) = pair(seed);
        Known storage k = known_[payer][payee];
        if (k.closeAt == 0) {
            vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.NotClosing.selector, payer, payee));
            CHANNELS.finalize(payer, payee);
            return;
        }
        if (vm.getBlockTimestamp() < k.closeAt) {
            vm.expectPartialRevert(IPaymentChannels.TooEarly.selector);
            CHANNELS.finalize(payer, payee);
            return;
        }
        leave(payer, payee, sender);
    }

    /// A payer who has waited leaves, whatever others did.
    function leave(address payer, address payee, uint256 sender) private {
        Known storage k = known_[payer][payee];
        uint256 before = GNT_.balanceOf(payer);
        vm.prank(parties[sender % PARTIES]);
        CHANNELS.finalize(payer, payee);
        check(GNT_.balanceOf(payer) == before + k.deposit - k.claimed, "the payer did not get the rest");
        k.payableInAll -= k.deposit - k.claimed;
        (k.deposit, k.claimed, k.closeAt) = (0, 0, 0);
    }

    function wait(uint256 time) external {
        skip(bound(time, 1, CHANNELS.CLOSE_DELAY()));
    }

    // What a stranger tries

    /// Signs with a key of its own in the name of nobody, for another contract, or changes what others signed.
    function forge(uint256 seed, uint96 cumulative, uint256 key, uint256 flip) external {
        (address payer, address payee) = pair(seed);
        uint32 epoch = known_[payer][payee].epoch;
        bytes memory elsewhere = voucher(TWIN, payer, payee, epoch, cumulative);
        (bytes32 r, bytes32 vs) =
            vm.signCompact(bound(key, 1, 1 << 64), CHANNELS.voucherDigest(payee, cumulative, epoch));
        bytes memory batch = bytes.concat(elsewhere, abi.encodePacked(cumulative, epoch, r, vs));
        if (vouchers.length != 0) {
            bytes memory changed = vouchers[seed % vouchers.length].packed;
            changed[flip % changed.length] ^= bytes1(uint8(1 << (flip % 8)));
            batch = bytes.concat(batch, changed);
        }
        check(CHANNELS.claimMany(payee, batch) == 0, "a forged voucher paid");
    }

    /// Sends tokens without a word, which belong to no channel then, and funds in the name of others.
    function meddle(uint256 seed, uint96 amount) external {
        (address payer, address payee) = pair(seed);
        address stranger = address(this);
        amount = uint96(bound(amount, 1, 1 ether));
        if (GNT_.balanceOf(stranger) > amount) GNT_.transfer(address(CHANNELS), amount);

        bytes memory data = abi.encodePacked((uint256(amount) << 160) | uint160(payee));
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.NotTheToken.selector, stranger, address(GNT_)));
        CHANNELS.onTransferReceived(payer, payer, amount, data);
        if (GNT_.balanceOf(payer) >= amount) {
            vm.prank(payer);
            GNT_.approve(stranger, amount);
            vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.NotThePayer.selector, stranger, payer));
            GNT_.transferFromAndCall(payer, address(CHANNELS), amount, data);
            vm.prank(payer);
            GNT_.approve(stranger, 0);
        }
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.NotOpen.selector, stranger, payee));
        CHANNELS.requestClose(payee);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.NotOpen.selector, payer, stranger));
        CHANNELS.close(payer, amount, 1, 0, 0);
    }

    // Helpers

    function pair(uint256 seed) private view returns (address payer, address payee) {
        uint256 i = seed % PARTIES;
        return (parties[i], parties[(i + 1 + (seed / PARTIES) % (PARTIES - 1)) % PARTIES]);
    }

    function voucher(PaymentChannels where, address payer, address payee, uint32 epoch, uint96 cumulative)
        private
        view
        returns (bytes memory)
    {
        (bytes32 r, bytes32 vs) = signature(where, payer, payee, epoch, cumulative);
        return abi.encodePacked(cumulative, epoch, r, vs);
    }

    function signature(PaymentChannels where, address payer, address payee, uint32 epoch, uint96 cumulative)
        private
        view
        returns (bytes32 r, bytes32 vs)
    {
        return vm.signCompact(keys[payer], where.voucherDigest(payee, cumulative, epoch));
    }

    function check(bool held, string memory otherwise) private {
        if (!held && bytes(violation).length == 0) violation = otherwise;
    }
}
