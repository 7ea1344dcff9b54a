// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

/// @title What apps there are, by whom, and what their authors ask for
/// @notice An author publishes the digest of a module, the digest of what describes it, and a fee per subtask. Everything
/// is under the author's own name, so nobody can take a module's place by being first: who looks an app up says whose.
///
/// The fee of an agreement is the one written in it, whatever is changed here later. Here it is raised with notice, so
/// that it does not change between an offer and the agreement either; it is lowered at once.
/// @dev No money passes through here: the fee is paid to the author by the rails of the agreement.
interface IAppRegistry {
    /// @notice An app.
    struct App {
        /// Digest of what describes it: name, licence, where the sources are.
        bytes32 metadata;
        /// What a subtask costs now, in wei of the token.
        uint96 fee;
        /// What it will cost from `nextFeeAt` on; the same as `fee` where no rise is announced.
        uint96 nextFee;
        /// Chain time from which `nextFee` is the fee; 0 where no rise is announced.
        uint40 nextFeeAt;
        /// Whether its author published it and has not retired it.
        bool published;
    }

    /// @notice `author` published a module, or what describes it anew.
    event Published(address indexed author, bytes32 indexed module, bytes32 metadata);
    /// @notice The fee is `fee` from `activeAt` on.
    event FeeSet(address indexed author, bytes32 indexed module, uint96 fee, uint40 activeAt);
    /// @notice The author does not stand by this module any more.
    event Retired(address indexed author, bytes32 indexed module);

    /// @notice The digest zero names no module and no metadata.
    error ZeroDigest();
    /// @notice `author` published no such module, or retired it.
    error NotPublished(address author, bytes32 module);
    /// @notice It is published already; `setFee` and `describe` change it.
    error AlreadyPublished(address author, bytes32 module);
    /// @notice A notice of `got` seconds is zero or above `allowed`.
    error BadNotice(uint256 got, uint256 allowed);

    /// @notice Publishes a module under the caller's name. One that was retired can be published again;
    /// its fee is then set as `setFee` does.
    /// @param module The BLAKE3 digest of the module's bytes.
    /// @param metadata The BLAKE3 digest of what describes it.
    /// @param fee What its author asks for a subtask, in wei of the token. May be zero.
    function publish(bytes32 module, bytes32 metadata, uint96 fee) external;

    /// @notice Describes a module of the caller anew.
    function describe(bytes32 module, bytes32 metadata) external;

    /// @notice Changes the fee of a module of the caller: at once if it is lowered, after `FEE_NOTICE` if it is raised.
    /// Replaces a change that was announced and has not come yet.
    function setFee(bytes32 module, uint96 fee) external;

    /// @notice Takes a module of the caller off the list. Agreements about it stand.
    function retire(bytes32 module) external;

    /// @notice An app as it is now; all zero where `author` never published it.
    function app(address author, bytes32 module) external view returns (App memory);

    /// @notice Seconds between the announcement of a higher fee and its coming.
    function FEE_NOTICE() external view returns (uint32);
}
