// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {GNT} from "../src/GNT.sol";
import {PaymentChannels} from "../src/PaymentChannels.sol";
import {IPaymentChannels} from "../src/interfaces/IPaymentChannels.sol";

/// A token, the channels and a few parties with money, and the bytes that a client of the contract makes.
/// @dev Tests that change the time or the chain must not read `block.timestamp` or `block.chainid` before: the optimizer
/// takes them to be constant, and reads them when it likes.
abstract contract ChannelsTest is Test {
    uint32 internal constant DELAY = 1 days;
    uint96 internal constant FUNDS = 1000 ether;
    uint64 internal constant CHAIN_ID = 31_337;
    /// The order of secp256k1.
    uint256 internal constant N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;

    GNT internal gnt;
    PaymentChannels internal channels;

    address internal payer;
    uint256 internal payerKey;
    address internal payee;
    uint256 internal payeeKey;
    address internal stranger = makeAddr("stranger");

    function setUp() public virtual {
        (payer, payerKey) = makeAddrAndKey("payer");
        (payee, payeeKey) = makeAddrAndKey("payee");
        gnt = new GNT(address(this));
        channels = new PaymentChannels(gnt, DELAY);
        gnt.transfer(payer, FUNDS);
        gnt.transfer(payee, 1);
    }

    /// A funding, or a payment of `batchTransfer`.
    function word(uint96 amount, address to) internal pure returns (bytes32) {
        return bytes32((uint256(amount) << 160) | uint160(to));
    }

    function words(uint96 amount, address to) internal pure returns (bytes32[] memory list) {
        list = new bytes32[](1);
        list[0] = word(amount, to);
    }

    /// `from` funds its channel to `to` by `transferAndCall`.
    function fund(address from, address to, uint96 amount) internal {
        vm.prank(from);
        gnt.transferAndCall(address(channels), amount, abi.encodePacked(word(amount, to)));
    }

    function digest(address to, uint32 epoch, uint96 cumulative) internal view returns (bytes32) {
        return channels.voucherDigest(to, cumulative, epoch);
    }

    /// Signs as EIP-2098 has it.
    function sign(uint256 key, bytes32 hash) internal pure returns (bytes32 r, bytes32 vs) {
        return vm.signCompact(key, hash);
    }

    /// A signature of `hash` with the higher `s`, its twin with the lower one, and whose they are.
    /// @dev The compact form has room for `s` below 2^255 only, where hardly any high one lies: so `s` comes first here,
    /// and the signer is whoever it is then. `r` must be the `r` of some signature.
    function highSignature(bytes32 hash, bytes32 r, uint256 seed)
        internal
        pure
        returns (address signer, bytes32 high, bytes32 low)
    {
        uint256 s = bound(seed, N / 2 + 1, (1 << 255) - 1);
        signer = ecrecover(hash, 27, r, bytes32(s));
        return (signer, bytes32(s), bytes32((N - s) | (1 << 255)));
    }

    function voucher(uint256 key, address to, uint32 epoch, uint96 cumulative)
        internal
        view
        returns (bytes32 r, bytes32 vs)
    {
        return sign(key, digest(to, epoch, cumulative));
    }

    function entry(uint96 cumulative, uint32 epoch, bytes32 r, bytes32 vs) internal pure returns (bytes memory) {
        return abi.encodePacked(cumulative, epoch, r, vs);
    }

    /// A signed entry of `claimMany`.
    function entry(uint256 key, address to, uint32 epoch, uint96 cumulative) internal view returns (bytes memory) {
        (bytes32 r, bytes32 vs) = voucher(key, to, epoch, cumulative);
        return entry(cumulative, epoch, r, vs);
    }

    /// What a holder of GNT signs for a permit, with its next nonce.
    function permitDigest(address owner, address spender, uint256 value, uint256 deadline)
        internal
        view
        returns (bytes32)
    {
        bytes32 typehash =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        bytes32 structHash = keccak256(abi.encode(typehash, owner, spender, value, gnt.nonces(owner), deadline));
        return keccak256(abi.encodePacked(hex"1901", gnt.DOMAIN_SEPARATOR(), structHash));
    }

    function assertChannel(address from, address to, uint96 claimed, uint96 deposit, uint32 closeAt, uint32 epoch)
        internal
        view
    {
        IPaymentChannels.Channel memory c = channels.channel(from, to);
        assertEq(c.claimed, claimed, "claimed");
        assertEq(c.deposit, deposit, "deposit");
        assertEq(c.closeAt, closeAt, "closeAt");
        assertEq(c.epoch, epoch, "epoch");
    }
}
