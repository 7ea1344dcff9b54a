// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {AppRegistry} from "../../../src/AppRegistry.sol";
import {IAppRegistry} from "../../../src/interfaces/IAppRegistry.sol";
import {AppsTest} from "../../AppsTest.sol";

contract AppsConstructorTest is AppsTest {
    function test_refuses_no_notice() public {
        vm.expectRevert(abi.encodeWithSelector(IAppRegistry.BadNotice.selector, 0, 30 days));
        new AppRegistry(0);
    }

    function testFuzz_refuses_a_notice_above_thirty_days(uint32 notice) public {
        notice = uint32(bound(notice, 30 days + 1, type(uint32).max));
        vm.expectRevert(abi.encodeWithSelector(IAppRegistry.BadNotice.selector, notice, 30 days));
        new AppRegistry(notice);
    }

    function testFuzz_keeps_the_notice(uint32 notice) public {
        notice = uint32(bound(notice, 1, 30 days));
        assertEq(new AppRegistry(notice).FEE_NOTICE(), notice);
    }
}
