// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {PaymentChannels} from "../../../src/PaymentChannels.sol";
import {IPaymentChannels} from "../../../src/interfaces/IPaymentChannels.sol";
import {ChannelsTest} from "../../ChannelsTest.sol";
import {FalseToken} from "../../OtherTokens.sol";

contract ClaimManyTest is ChannelsTest {
    uint96 private constant DEPOSIT = 100 ether;

    address private other;
    uint256 private otherKey;
    uint96 private paidBefore;

    function setUp() public override {
        super.setUp();
        (other, otherKey) = makeAddrAndKey("other payer");
        gnt.transfer(other, FUNDS);
        fund(payer, payee, DEPOSIT);
        fund(other, payee, DEPOSIT);
    }

    /// `bad` pays nothing, alone and amid good entries, and stops none of them.
    function skips(bytes memory bad) private {
        vm.recordLogs();
        assertEq(channels.claimMany(payee, bad), 0, "alone");
        assertEq(vm.getRecordedLogs().length, 0, "alone it leaves no log");
        bytes memory batch = bytes.concat(entry(payerKey, payee, 1, 50 ether), bad, entry(otherKey, payee, 1, 60 ether));
        assertEq(channels.claimMany(payee, batch), 110 ether - paidBefore, "amid others");
        assertChannel(payer, payee, 50 ether, DEPOSIT, 0, 1);
        assertChannel(other, payee, 60 ether, DEPOSIT, 0, 1);
    }

    function test_skips_stale_voucher() public {
        paidBefore = 40 ether;
        channels.claimMany(payee, entry(payerKey, payee, 1, paidBefore));
        skips(bytes.concat(entry(payerKey, payee, 1, paidBefore), entry(payerKey, payee, 1, paidBefore - 1)));
    }

    function testFuzz_skips_voucher_of_another_epoch(uint32 epoch, uint96 cumulative) public {
        vm.assume(epoch != 1);
        skips(entry(payerKey, payee, epoch, cumulative));
    }

    function testFuzz_skips_voucher_for_another_payee(uint96 cumulative) public {
        skips(entry(payerKey, stranger, 1, cumulative));
    }

    function testFuzz_skips_voucher_for_another_chain(uint64 chainId, uint96 cumulative) public {
        vm.assume(chainId != CHAIN_ID && chainId != 0);
        vm.chainId(chainId);
        bytes memory bad = entry(payerKey, payee, 1, cumulative);
        vm.chainId(CHAIN_ID);
        skips(bad);
    }

    function testFuzz_skips_voucher_for_another_contract(uint96 cumulative) public {
        PaymentChannels twin = new PaymentChannels(gnt, DELAY);
        (bytes32 r, bytes32 vs) = sign(payerKey, twin.voucherDigest(payee, cumulative, 1));
        skips(entry(cumulative, 1, r, vs));
    }

    function testFuzz_skips_voucher_with_changed_amount(uint96 signed, uint96 claimed) public {
        vm.assume(signed != claimed);
        (bytes32 r, bytes32 vs) = voucher(payerKey, payee, 1, signed);
        skips(entry(claimed, 1, r, vs));
    }

    function testFuzz_skips_signature_of_nobody_with_a_channel(uint256 key, uint96 cumulative) public {
        key = bound(key, 1, N - 1);
        vm.assume(key != payerKey && key != otherKey);
        skips(entry(key, payee, 1, cumulative));
    }

    function testFuzz_skips_garbage(bytes32 r, bytes32 vs, uint96 cumulative) public {
        skips(entry(cumulative, 1, r, vs));
    }

    function test_skips_zero_bytes() public {
        skips(new bytes(800));
    }

    /// Regression: `ecrecover` gives the zero address for what is no signature; that must be nobody's channel.
    function testFuzz_skips_zero_address_from_ecrecover(uint96 cumulative, uint32 epoch) public {
        // The zero address with money and the right epoch, as it never can have.
        vm.store(
            address(channels),
            keccak256(abi.encode(address(0), payee)),
            bytes32((uint256(1) << 224) | (uint256(DEPOSIT) << 96))
        );
        assertEq(channels.claimMany(payee, entry(cumulative, epoch, 0, 0)), 0);
        assertEq(channels.claimMany(payee, entry(cumulative, 1, bytes32(N), bytes32(N / 2))), 0);
    }

    /// Regression: the second form of a signature, with the high `s`, is no signature.
    function testFuzz_skips_high_s(uint96 cumulative, uint256 seed) public {
        cumulative = uint96(bound(cumulative, 1, DEPOSIT));
        (bytes32 r,) = voucher(payerKey, payee, 1, cumulative);
        (address signer, bytes32 high, bytes32 low) = highSignature(digest(payee, 1, cumulative), r, seed);
        gnt.transfer(signer, DEPOSIT);
        fund(signer, payee, DEPOSIT);
        skips(entry(cumulative, 1, r, high));
        assertEq(channels.claimMany(payee, entry(cumulative, 1, r, low)), cumulative, "its twin is good");
    }

    function testFuzz_skips_an_entry_that_is_cut_short(uint256 length) public {
        length = bound(length, 1, 79);
        bytes memory whole = entry(payerKey, payee, 1, 50 ether);
        bytes memory cut = new bytes(length);
        for (uint256 i; i < length; ++i) {
            cut[i] = whole[i];
        }
        assertEq(channels.claimMany(payee, cut), 0);
        assertEq(channels.claimMany(payee, bytes.concat(entry(otherKey, payee, 1, 60 ether), cut)), 60 ether);
        assertChannel(payer, payee, 0, DEPOSIT, 0, 1);
    }

    function test_skips_a_closed_channel() public {
        bytes memory good = entry(payerKey, payee, 1, 50 ether);
        vm.prank(payee);
        channels.close(payer, 0, 1, 0, 0);
        assertEq(channels.claimMany(payee, good), 0);
    }

    function test_pays_nothing_for_no_vouchers() public {
        assertEq(channels.claimMany(payee, ""), 0);
    }

    function testFuzz_a_payee_without_channels_gets_nothing(address anybody, uint96 cumulative) public {
        vm.assume(anybody != payee);
        assertEq(channels.claimMany(anybody, entry(payerKey, anybody, 1, cumulative)), 0);
        assertEq(channels.claimMany(anybody, entry(payerKey, payee, 1, cumulative)), 0);
    }

    /// Regression: one front-run entry must not undo the batch it is in.
    function testFuzz_front_run_entry_does_not_revert_the_batch(uint96 first, uint96 second) public {
        first = uint96(bound(first, 1, DEPOSIT));
        second = uint96(bound(second, 1, DEPOSIT));
        bytes memory one = entry(payerKey, payee, 1, first);
        bytes memory two = entry(otherKey, payee, 1, second);
        vm.prank(stranger);
        channels.claimMany(payee, one);
        assertEq(channels.claimMany(payee, bytes.concat(one, two)), second);
        assertEq(gnt.balanceOf(payee), 1 + uint256(first) + second);
    }

    function test_reverts_if_the_token_says_false() public {
        FalseToken token = new FalseToken(payer, FUNDS);
        channels = new PaymentChannels(token, DELAY);
        vm.startPrank(payer);
        token.approve(address(channels), FUNDS);
        channels.fund(words(5, payee));
        vm.stopPrank();
        token.refuse();
        bytes memory good = entry(payerKey, payee, 1, 5);
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, token));
        channels.claimMany(payee, good);
        assertChannel(payer, payee, 0, 5, 0, 1);
    }

    function testFuzz_anybody_can_send_it_and_only_the_payee_is_paid(address sender, uint96 cumulative) public {
        cumulative = uint96(bound(cumulative, 1, DEPOSIT));
        vm.assume(sender != payee && sender != address(channels));
        uint256 before = gnt.balanceOf(sender);
        vm.expectEmit(address(channels));
        emit IPaymentChannels.Claimed(payee, words(cumulative, payer));
        bytes memory good = entry(payerKey, payee, 1, cumulative);
        vm.prank(sender);
        assertEq(channels.claimMany(payee, good), cumulative);
        assertEq(gnt.balanceOf(payee), 1 + uint256(cumulative));
        assertEq(gnt.balanceOf(sender), before);
        assertChannel(payer, payee, cumulative, DEPOSIT, 0, 1);
    }

    function testFuzz_pays_at_most_the_deposit_and_the_rest_after_a_top_up(uint96 cumulative, uint96 topUp) public {
        cumulative = uint96(bound(cumulative, uint256(DEPOSIT) + 1, type(uint96).max));
        topUp = uint96(bound(topUp, 1, FUNDS - DEPOSIT));
        bytes memory good = entry(payerKey, payee, 1, cumulative);
        assertEq(channels.claimMany(payee, good), DEPOSIT);
        assertEq(channels.claimMany(payee, good), 0);
        fund(payer, payee, topUp);
        uint256 rest = cumulative - DEPOSIT < topUp ? cumulative - DEPOSIT : topUp;
        assertEq(channels.claimMany(payee, good), rest);
    }

    function testFuzz_pays_only_what_is_new(uint96 first, uint96 second) public {
        second = uint96(bound(second, 2, DEPOSIT));
        first = uint96(bound(first, 1, second - 1));
        channels.claimMany(payee, entry(payerKey, payee, 1, first));
        assertEq(channels.claimMany(payee, entry(payerKey, payee, 1, second)), second - first);
    }

    function test_a_payer_twice_in_a_batch_is_paid_to_the_higher_voucher_in_either_order() public {
        bytes memory low = entry(payerKey, payee, 1, 10 ether);
        bytes memory high = entry(payerKey, payee, 1, 30 ether);
        uint256 snapshot = vm.snapshotState();
        bytes32[] memory both = new bytes32[](2);
        (both[0], both[1]) = (word(10 ether, payer), word(30 ether, payer));
        vm.expectEmit(address(channels));
        emit IPaymentChannels.Claimed(payee, both);
        assertEq(channels.claimMany(payee, bytes.concat(low, high)), 30 ether);
        vm.revertToState(snapshot);
        vm.expectEmit(address(channels));
        emit IPaymentChannels.Claimed(payee, words(30 ether, payer));
        assertEq(channels.claimMany(payee, bytes.concat(high, low)), 30 ether);
    }

    function testFuzz_pays_a_batch_in_one_transfer(uint96[12] memory amounts, uint256 seed) public {
        bytes memory batch;
        bytes32[] memory claimed = new bytes32[](amounts.length);
        uint256 total;
        for (uint256 i; i < amounts.length; ++i) {
            uint256 key = bound(uint256(keccak256(abi.encode(seed, i))), 1, N - 1);
            amounts[i] = uint96(bound(amounts[i], 1, DEPOSIT));
            gnt.transfer(vm.addr(key), DEPOSIT);
            fund(vm.addr(key), payee, DEPOSIT);
            batch = bytes.concat(batch, entry(key, payee, 1, amounts[i]));
            claimed[i] = word(amounts[i], vm.addr(key));
            total += amounts[i];
        }
        vm.expectEmit(address(channels));
        emit IPaymentChannels.Claimed(payee, claimed);
        vm.expectCall(address(gnt), abi.encodeCall(IERC20.transfer, (payee, total)), 1);
        assertEq(channels.claimMany(payee, batch), total);
    }

    function testFuzz_pays_until_finalize_executes(uint256 late, uint96 cumulative) public {
        cumulative = uint96(bound(cumulative, 1, DEPOSIT));
        vm.prank(payer);
        channels.requestClose(payee);
        uint32 closeAt = channels.channel(payer, payee).closeAt;
        skip(bound(late, 0, 10 * uint256(DELAY)));
        assertEq(channels.claimMany(payee, entry(payerKey, payee, 1, cumulative)), cumulative);
        assertChannel(payer, payee, cumulative, DEPOSIT, closeAt, 1);
    }
}
