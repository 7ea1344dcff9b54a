// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {AppRegistry} from "../src/AppRegistry.sol";
import {IAppRegistry} from "../src/interfaces/IAppRegistry.sol";

/// The registry with one app in it.
abstract contract AppsTest is Test {
    uint32 internal constant NOTICE = 3 days;
    uint96 internal constant FEE = 5 ether;
    bytes32 internal constant MODULE = keccak256("a module");
    bytes32 internal constant METADATA = keccak256("what describes it");

    AppRegistry internal registry;
    address internal author = makeAddr("author");
    address internal stranger = makeAddr("stranger");

    function setUp() public virtual {
        registry = new AppRegistry(NOTICE);
        vm.prank(author);
        registry.publish(MODULE, METADATA, FEE);
    }

    function assertApp(address whose, bytes32 metadata, uint96 fee, uint96 nextFee, uint256 nextFeeAt, bool published)
        internal
        view
    {
        IAppRegistry.App memory a = registry.app(whose, MODULE);
        assertEq(a.metadata, metadata, "metadata");
        assertEq(a.fee, fee, "fee");
        assertEq(a.nextFee, nextFee, "nextFee");
        assertEq(a.nextFeeAt, nextFeeAt, "nextFeeAt");
        assertEq(a.published, published, "published");
    }
}
