// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {ConcentTest} from "../ConcentTest.sol";
import {GasReport} from "../GasReport.sol";
import {IConcentDeposit} from "../../src/interfaces/IConcentDeposit.sol";

/// As `GasTest`, for the deposits of Concent. The requestor has used promises before, and the provider holds tokens.
/// forge-config: default.isolate = true
contract ConcentGasTest is ConcentTest, GasReport {
    /// As amounts occur: 18 decimals, no round numbers.
    uint96 private constant SUM = 12.345_678_901_234_567_891 ether;

    function setUp() public override {
        super.setUp();
        rule(promised(NONCE - 1), AMOUNT);
    }

    function test_first_deposit_costs_at_most_62500() public {
        deposit(stranger, SUM);
        atMost("Concent deposit, first", 62_500);
    }

    function test_topup_costs_at_most_45500() public {
        deposit(requestor, SUM);
        atMost("Concent deposit, top-up", 45_500);
    }

    /// More than the 63,000 that were aimed at: two signatures have to be recovered (3,000 each), three slots change
    /// (5,000 each: the replay guard, the requestor's account, Concent's keys with the daily limit), and the tokens
    /// really move (15,200). With the base and the calldata that is 61,700 before the event and a line of code.
    function test_ruling_costs_at_most_70000() public {
        IConcentDeposit.Promise memory p = promised();
        p.amount = SUM;
        rule(p, SUM);
        atMost("a ruling paid, 1 of 1 keys", 70_000);
    }
}
