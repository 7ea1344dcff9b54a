// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {ChannelsTest} from "../ChannelsTest.sol";
import {GasReport} from "../GasReport.sol";
import {console} from "forge-std/console.sol";

/// What a receipt says (`gasUsed`), for the usual state of the parties: the contract and everybody who is paid hold
/// some tokens already. Run isolated, so that every call is a transaction with its base cost, calldata and refunds.
/// forge-config: default.isolate = true
contract GasTest is ChannelsTest, GasReport {
    uint256 private constant BATCH = 100;

    /// Amounts as they occur: 18 decimals, no round numbers.
    uint96 private constant AMOUNT = 12.345_678_901_234_567_891 ether;

    address private other = makeAddr("other");

    function setUp() public override {
        super.setUp();
        vm.prank(payer);
        gnt.transferAndCall(address(channels), AMOUNT, abi.encodePacked(word(AMOUNT, other)));
    }

    function test_open_costs_at_most_63500() public {
        fund(payer, payee, AMOUNT);
        atMost("open", 63_500);
    }

    function test_reopen_costs_at_most_47000() public {
        fund(payer, payee, AMOUNT);
        vm.prank(payee);
        channels.close(payer, 0, 1, 0, 0);
        fund(payer, payee, AMOUNT);
        atMost("re-open", 47_000);
    }

    function test_topup_costs_at_most_46500() public {
        fund(payer, payee, AMOUNT);
        fund(payer, payee, AMOUNT);
        atMost("top-up", 46_500);
    }

    function test_one_claim_costs_at_most_50000() public {
        fund(payer, payee, AMOUNT);
        bytes memory voucher_ = entry(payerKey, payee, 1, AMOUNT / 3);
        vm.prank(payee);
        channels.claimMany(payee, voucher_);
        atMost("one claim", 50_000);
    }

    function test_hundred_claims_of_hundred_payers_cost_at_most_10900_each() public {
        bytes memory vouchers;
        for (uint256 i; i < BATCH; ++i) {
            (address from, uint256 key) = makeAddrAndKey(string.concat("payer ", vm.toString(i)));
            gnt.transfer(from, AMOUNT);
            fund(from, payee, AMOUNT);
            vouchers = bytes.concat(vouchers, entry(key, payee, 1, uint96(AMOUNT / 3 + i)));
        }
        vm.prank(payee);
        assertGt(channels.claimMany(payee, vouchers), 99 * AMOUNT / 3);
        atMost("100 claims of 100 payers, each", 10_900, BATCH);
    }

    function test_close_by_payee_costs_at_most_58500() public {
        fund(payer, payee, AMOUNT);
        (bytes32 r, bytes32 vs) = voucher(payerKey, payee, 1, AMOUNT / 3);
        vm.prank(payee);
        channels.close(payer, AMOUNT / 3, 1, r, vs);
        atMost("close by the payee", 58_500);
    }

    function test_requestClose_and_finalize_cost_at_most_75000() public {
        fund(payer, payee, AMOUNT);
        vm.prank(payer);
        channels.requestClose(payee);
        uint256 first = vm.lastCallGas().gasTotalUsed;
        skip(DELAY);
        vm.prank(payer);
        channels.finalize(payer, payee);
        console.log("requestClose", first);
        report("requestClose and finalize", first + vm.lastCallGas().gasTotalUsed, 75_000);
    }

    function test_batchTransfer_to_hundred_holders_costs_at_most_7850_each() public {
        bytes32[] memory payments = new bytes32[](BATCH);
        for (uint256 i; i < BATCH; ++i) {
            address to = makeAddr(string.concat("holder ", vm.toString(i)));
            gnt.transfer(to, AMOUNT);
            payments[i] = word(uint96(AMOUNT / 300 + i), to);
        }
        vm.prank(payer);
        gnt.batchTransfer(payments);
        atMost("batchTransfer to 100 holders, each", 7850, BATCH);
    }
}
