// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ConcentDeposit} from "../../src/ConcentDeposit.sol";
import {GNT} from "../../src/GNT.sol";
import {IConcentDeposit} from "../../src/interfaces/IConcentDeposit.sol";

/// For every number of a promise: once used up it stays so, and no other number does with it.
/// Run by `scripts/prove`.
contract NoncesProof is Test {
    address private constant REQUESTOR = address(0xA11CE);
    address private constant PROVIDER = address(0xB0B);

    ConcentDeposit private concent;

    function setUp() public {
        address[] memory keys = new address[](1);
        keys[0] = address(0xDA);
        IConcentDeposit.Terms memory terms = IConcentDeposit.Terms({
            token: IERC20(new GNT(address(this))),
            treasury: address(0xFEE),
            withdrawDelay: 2 days,
            contestWindow: 1 days,
            rulingWindow: 3 days,
            rotationDelay: 6 days,
            fee: 2 ether,
            cover: 1 ether,
            dailyLimit: 500 ether,
            depositMax: 1000 ether
        });
        concent = new ConcentDeposit(terms, keys, 1);
    }

    function check_a_number_is_used_up_alone_and_once(
        IConcentDeposit.Promise memory p,
        bytes32[4] memory signatures,
        uint256 other
    ) public {
        p.provider = PROVIDER;
        bytes32 digest = concent.promiseDigest(p);
        assumeSigned(digest, signatures[0], signatures[1], REQUESTOR);
        assumeSigned(concent.receiptDigest(REQUESTOR, digest), signatures[2], signatures[3], PROVIDER);
        assert(!concent.isUsedUp(REQUESTOR, PROVIDER, p.nonce));
        concent.void(p, signatures[0], signatures[1], signatures[2], signatures[3]);
        assert(concent.isUsedUp(REQUESTOR, PROVIDER, p.nonce));
        assert(concent.isUsedUp(REQUESTOR, PROVIDER, other) == (other == p.nonce));
        try concent.void(p, signatures[0], signatures[1], signatures[2], signatures[3]) {
            assert(false);
        } catch {}
    }

    /// Whatever the curve says: this signature is that signer's.
    function assumeSigned(bytes32 digest, bytes32 r, bytes32 vs, address signer) private pure {
        bytes32 s = bytes32((uint256(vs) << 1) >> 1);
        vm.assume(uint256(s) <= 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0);
        vm.assume(ecrecover(digest, uint8(27 + (uint256(vs) >> 255)), r, s) == signer);
    }
}
