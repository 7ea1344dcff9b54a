// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {ConcentDeposit} from "../../../src/ConcentDeposit.sol";
import {ConcentTest} from "../../ConcentTest.sol";

/// Concent with two of three keys, and others that may come after them.
abstract contract RotationTest is ConcentTest {
    uint256[] internal present;
    address[] internal presentAddresses;
    uint256[] internal next;
    address[] internal nextAddresses;

    function setUp() public virtual override {
        super.setUp();
        (present, presentAddresses) = keysOf("judge", 3);
        (next, nextAddresses) = keysOf("successor", 4);
        concent = new ConcentDeposit(terms(), presentAddresses, 2);
        deposit(requestor, DEPOSIT);
        deposit(provider, BOND);
    }

    function two(uint256[] memory of_) internal pure returns (uint256[] memory keys) {
        keys = new uint256[](2);
        (keys[0], keys[1]) = (of_[0], of_[1]);
    }

    function signedProposal(uint256[] memory by, address[] memory keys, uint256 threshold, uint256 nonce)
        internal
        view
        returns (bytes memory)
    {
        return packed(by, concent.rotationDigest(keys, threshold, nonce));
    }

    function signedCancel(uint256[] memory by, uint256 nonce) internal view returns (bytes memory) {
        return packed(by, concent.cancelRotationDigest(nonce));
    }

    /// Announces the next keys, three of which make a ruling.
    function propose() internal {
        (uint256 nonce,,) = concent.rotation();
        bytes memory signatures = signedProposal(two(present), nextAddresses, 3, nonce);
        vm.prank(stranger);
        concent.proposeRotation(nextAddresses, 3, signatures);
    }

    function assertRotation(uint256 nonce, bytes32 proposed, uint256 activeAt) internal view {
        (uint256 gotNonce, bytes32 gotProposed, uint40 gotActiveAt) = concent.rotation();
        assertEq(gotNonce, nonce, "nonce");
        assertEq(gotProposed, proposed, "proposed");
        assertEq(gotActiveAt, activeAt, "activeAt");
    }

    function assertKeys(address[] memory keys, uint256 threshold) internal view {
        (address[] memory gotKeys, uint256 gotThreshold) = concent.concent();
        assertEq(gotKeys, keys);
        assertEq(gotThreshold, threshold);
    }
}
