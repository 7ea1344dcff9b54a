// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {AppRegistry} from "../../src/AppRegistry.sol";
import {IAppRegistry} from "../../src/interfaces/IAppRegistry.sol";

/// Authors that publish, describe, price and retire two modules each, and note what was announced when.
contract AppAuthors is Test {
    uint256 public constant AUTHORS = 2;
    uint256 public constant MODULES = 2;

    AppRegistry private immutable REGISTRY;
    uint256 private immutable NOTICE;

    /// What everybody could see of an app before the last step, and when that was.
    IAppRegistry.App[MODULES][AUTHORS] private seen_;
    uint256 public seenAt;

    constructor(AppRegistry registry) {
        (REGISTRY, NOTICE) = (registry, registry.FEE_NOTICE());
    }

    function author(uint256 i) public pure returns (address) {
        return address(uint160(uint256(keccak256(abi.encode("author", i)))));
    }

    function module(uint256 i) public pure returns (bytes32) {
        return keccak256(abi.encode("module", i));
    }

    function seen(uint256 i, uint256 j) external view returns (IAppRegistry.App memory) {
        return seen_[i][j];
    }

    modifier looking() {
        for (uint256 i; i < AUTHORS; ++i) {
            for (uint256 j; j < MODULES; ++j) {
                seen_[i][j] = REGISTRY.app(author(i), module(j));
            }
        }
        seenAt = vm.getBlockTimestamp();
        _;
    }

    function publish(uint256 i, uint256 j, uint96 fee) external looking {
        bool published = app(i, j).published;
        if (published) vm.expectPartialRevert(IAppRegistry.AlreadyPublished.selector);
        vm.prank(author(i % AUTHORS));
        REGISTRY.publish(module(j % MODULES), keccak256("metadata"), fee % 100);
    }

    function setFee(uint256 i, uint256 j, uint96 fee) external looking {
        bool published = app(i, j).published;
        if (!published) vm.expectPartialRevert(IAppRegistry.NotPublished.selector);
        vm.prank(author(i % AUTHORS));
        REGISTRY.setFee(module(j % MODULES), fee % 100);
    }

    function retire(uint256 i, uint256 j) external looking {
        bool published = app(i, j).published;
        if (!published) vm.expectPartialRevert(IAppRegistry.NotPublished.selector);
        vm.prank(author(i % AUTHORS));
        REGISTRY.retire(module(j % MODULES));
    }

    function wait(uint256 time) external looking {
        skip(bound(time, 1, NOTICE));
    }

    function app(uint256 i, uint256 j) private view returns (IAppRegistry.App memory) {
        return REGISTRY.app(author(i % AUTHORS), module(j % MODULES));
    }
}

/// What `AppRegistry` holds, whatever happens in whatever order.
contract AppsInvariants is Test {
    AppRegistry private registry;
    AppAuthors private authors;

    function setUp() public {
        registry = new AppRegistry(3 days);
        authors = new AppAuthors(registry);
        targetContract(address(authors));
    }

    /// Whoever looked a fee up before a step pays no more after it, unless the rise was announced then and its time has
    /// come; and no rise comes before the whole notice.
    function invariant_a_fee_is_never_raised_without_notice() public view {
        for (uint256 i; i < authors.AUTHORS(); ++i) {
            for (uint256 j; j < authors.MODULES(); ++j) {
                IAppRegistry.App memory before = authors.seen(i, j);
                IAppRegistry.App memory a = registry.app(authors.author(i), authors.module(j));
                bool announced = before.nextFeeAt != 0 && vm.getBlockTimestamp() >= before.nextFeeAt;
                if (before.metadata != 0) assertLe(a.fee, announced ? before.nextFee : before.fee);
                if (a.nextFeeAt == 0) continue;
                assertGt(a.nextFee, a.fee);
                if (a.nextFeeAt != before.nextFeeAt) assertEq(a.nextFeeAt, authors.seenAt() + registry.FEE_NOTICE());
            }
        }
    }
}
