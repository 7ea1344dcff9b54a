// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ConcentDeposit} from "../src/ConcentDeposit.sol";
import {GNT} from "../src/GNT.sol";
import {IConcentDeposit} from "../src/interfaces/IConcentDeposit.sol";

/// A token, the deposit contract, a requestor and a provider with accounts in it, and Concent with one key.
/// @dev Tests that change the time or the chain must not read `block.timestamp` or `block.chainid` before: the optimizer
/// takes them to be constant, and reads them when it likes.
abstract contract ConcentTest is Test {
    uint32 internal constant WITHDRAW_DELAY = 2 days;
    uint32 internal constant CONTEST_WINDOW = 1 days;
    uint32 internal constant RULING_WINDOW = 3 days;
    uint32 internal constant ROTATION_DELAY = 7 days;
    uint96 internal constant FEE = 2 ether;
    uint96 internal constant COVER = 1 ether;
    uint96 internal constant BOND = FEE + COVER;
    uint96 internal constant DAILY_LIMIT = 500 ether;
    uint96 internal constant DEPOSIT_MAX = 10_000 ether;
    uint96 internal constant FUNDS = 1000 ether;
    uint96 internal constant DEPOSIT = 100 ether;
    uint96 internal constant AMOUNT = 10 ether;
    uint64 internal constant CHAIN_ID = 31_337;
    uint256 internal constant NONCE = 7;
    bytes32 internal constant DEAL = keccak256("an agreement");
    bytes32 internal constant EVIDENCE = keccak256("a bundle");

    GNT internal gnt;
    ConcentDeposit internal concent;

    address internal requestor;
    uint256 internal requestorKey;
    address internal provider;
    uint256 internal providerKey;
    address internal judge;
    uint256 internal judgeKey;
    address internal treasury = makeAddr("treasury");
    address internal stranger = makeAddr("stranger");

    function setUp() public virtual {
        (requestor, requestorKey) = makeAddrAndKey("requestor");
        (provider, providerKey) = makeAddrAndKey("provider");
        (judge, judgeKey) = makeAddrAndKey("judge");
        gnt = new GNT(address(this));
        concent = new ConcentDeposit(terms(), one(judge), 1);
        for (uint256 i; i < 3; ++i) {
            gnt.transfer([requestor, provider, stranger][i], FUNDS);
        }
        deposit(requestor, DEPOSIT);
        deposit(provider, BOND);
    }

    function terms() internal view returns (IConcentDeposit.Terms memory) {
        return IConcentDeposit.Terms({
            token: IERC20(gnt),
            treasury: treasury,
            withdrawDelay: WITHDRAW_DELAY,
            contestWindow: CONTEST_WINDOW,
            rulingWindow: RULING_WINDOW,
            rotationDelay: ROTATION_DELAY,
            fee: FEE,
            cover: COVER,
            dailyLimit: DAILY_LIMIT,
            depositMax: DEPOSIT_MAX
        });
    }

    function one(address key) internal pure returns (address[] memory keys) {
        keys = new address[](1);
        keys[0] = key;
    }

    /// As many keys as asked for and their addresses, in ascending order of these.
    function keysOf(string memory whose, uint256 count)
        internal
        returns (uint256[] memory keys, address[] memory addresses)
    {
        (keys, addresses) = (new uint256[](count), new address[](count));
        for (uint256 i; i < count; ++i) {
            (address added, uint256 key) = makeAddrAndKey(string.concat(whose, " ", vm.toString(i)));
            uint256 place = i;
            for (; place != 0 && addresses[place - 1] > added; --place) {
                (addresses[place], keys[place]) = (addresses[place - 1], keys[place - 1]);
            }
            (addresses[place], keys[place]) = (added, key);
        }
    }

    function deposit(address owner, uint96 amount) internal {
        vm.prank(owner);
        gnt.transferAndCall(address(concent), amount);
    }

    /// What the requestor promises in most tests. `vm.getBlockTimestamp` is not cached, as `block.timestamp` is.
    function promised() internal view returns (IConcentDeposit.Promise memory) {
        return promised(NONCE);
    }

    function promised(uint256 nonce) internal view returns (IConcentDeposit.Promise memory) {
        return IConcentDeposit.Promise({
            provider: provider,
            amount: AMOUNT,
            nonce: nonce,
            deal: DEAL,
            deadline: uint40(vm.getBlockTimestamp() + 1 days)
        });
    }

    function signPromise(uint256 key, IConcentDeposit.Promise memory p) internal view returns (bytes32 r, bytes32 vs) {
        return vm.signCompact(key, concent.promiseDigest(p));
    }

    function signReceipt(uint256 key, address by, IConcentDeposit.Promise memory p)
        internal
        view
        returns (bytes32 r, bytes32 vs)
    {
        return vm.signCompact(key, concent.receiptDigest(by, concent.promiseDigest(p)));
    }

    function signRuling(uint256 key, IConcentDeposit.Promise memory p, uint96 amount)
        internal
        view
        returns (bytes memory)
    {
        bytes32 digest = concent.rulingDigest(requestor, concent.promiseDigest(p), amount, EVIDENCE);
        return packed(key, digest);
    }

    /// The signatures of several keys, which must be in the order wanted.
    function packed(uint256[] memory keys, bytes32 digest) internal pure returns (bytes memory signatures) {
        for (uint256 i; i < keys.length; ++i) {
            signatures = bytes.concat(signatures, packed(keys[i], digest));
        }
    }

    function packed(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (bytes32 r, bytes32 vs) = vm.signCompact(key, digest);
        return abi.encodePacked(r, vs);
    }

    /// The provider claims what it says it is owed.
    function claim(IConcentDeposit.Promise memory p, uint96 amount) internal {
        (bytes32 r, bytes32 vs) = signPromise(requestorKey, p);
        vm.prank(p.provider);
        concent.claim(p, r, vs, amount, amount);
    }

    function contest(IConcentDeposit.Promise memory p) internal {
        bytes32 digest = concent.promiseDigest(p);
        vm.prank(requestor);
        concent.contest(digest);
    }

    /// Anybody shows a ruling of the one key.
    function rule(IConcentDeposit.Promise memory p, uint96 amount) internal {
        (bytes32 r, bytes32 vs) = signPromise(requestorKey, p);
        bytes memory signatures = signRuling(judgeKey, p, amount);
        vm.prank(stranger);
        concent.rule(p, r, vs, amount, EVIDENCE, signatures);
    }

    /// Anybody shows the provider's receipt.
    function void(IConcentDeposit.Promise memory p) internal {
        (bytes32 r, bytes32 vs) = signPromise(requestorKey, p);
        (bytes32 receiptR, bytes32 receiptVs) = signReceipt(providerKey, requestor, p);
        vm.prank(stranger);
        concent.void(p, r, vs, receiptR, receiptVs);
    }

    function assertAccount(address owner, uint256 deposit_, uint256 reserved, uint256 unlockAt) internal view {
        IConcentDeposit.Account memory a = concent.account(owner);
        assertEq(a.deposit, deposit_, "deposit");
        assertEq(a.reserved, reserved, "reserved");
        assertEq(a.unlockAt, unlockAt, "unlockAt");
    }

    function assertNoClaim(IConcentDeposit.Promise memory p) internal view {
        IConcentDeposit.Claim memory c = concent.claimOf(requestor, concent.promiseDigest(p));
        assertEq(abi.encode(c), abi.encode(IConcentDeposit.Claim(0, 0, 0, IConcentDeposit.Stage.None)), "claim");
    }
}
