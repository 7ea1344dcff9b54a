// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IAppRegistry} from "./interfaces/IAppRegistry.sol";

/// @title The registry of apps
/// @notice See `IAppRegistry`.
contract AppRegistry is IAppRegistry {
    /// A fee that cannot be raised within a month would rather be published too high.
    uint256 private constant FEE_NOTICE_MAX = 30 days;

    /// @inheritdoc IAppRegistry
    uint32 public immutable FEE_NOTICE;

    mapping(address author => mapping(bytes32 module => App)) private _apps;

    /// @param feeNotice Seconds between the announcement of a higher fee and its coming: from 1 to 30 days.
    constructor(uint32 feeNotice) {
        if (feeNotice == 0 || feeNotice > FEE_NOTICE_MAX) revert BadNotice(feeNotice, FEE_NOTICE_MAX);
        FEE_NOTICE = feeNotice;
    }

    /// @inheritdoc IAppRegistry
    function publish(bytes32 module, bytes32 metadata, uint96 fee) external {
        if (module == 0 || metadata == 0) revert ZeroDigest();
        App storage own = _apps[msg.sender][module];
        if (own.published) revert AlreadyPublished(msg.sender, module);
        bool first = own.metadata == 0;

        own.metadata = metadata;
        own.published = true;
        emit Published(msg.sender, module, metadata);
        if (first) own.fee = fee;
        // One that comes back is no way around the notice.
        _setFee(own, module, fee);
    }

    /// @inheritdoc IAppRegistry
    function describe(bytes32 module, bytes32 metadata) external {
        App storage own = _own(module);
        if (metadata == 0) revert ZeroDigest();

        own.metadata = metadata;
        emit Published(msg.sender, module, metadata);
    }

    /// @inheritdoc IAppRegistry
    function setFee(bytes32 module, uint96 fee) external {
        _setFee(_own(module), module, fee);
    }

    /// @inheritdoc IAppRegistry
    function retire(bytes32 module) external {
        App storage own = _own(module);

        own.published = false;
        emit Retired(msg.sender, module);
    }

    /// @inheritdoc IAppRegistry
    function app(address author, bytes32 module) external view returns (App memory) {
        return _current(_apps[author][module]);
    }

    function _setFee(App storage own, bytes32 module, uint96 fee) private {
        App memory current = _current(own);
        bool raised = fee > current.fee;
        uint40 activeAt = SafeCast.toUint40(raised ? block.timestamp + FEE_NOTICE : block.timestamp);

        own.fee = raised ? current.fee : fee;
        own.nextFee = fee;
        own.nextFeeAt = raised ? activeAt : 0;
        emit FeeSet(msg.sender, module, fee, activeAt);
    }

    function _own(bytes32 module) private view returns (App storage own) {
        own = _apps[msg.sender][module];
        if (!own.published) revert NotPublished(msg.sender, module);
    }

    /// With a rise that has come taken for the fee that it is.
    function _current(App memory stored) private view returns (App memory) {
        if (stored.nextFeeAt != 0 && block.timestamp >= stored.nextFeeAt) {
            stored.fee = stored.nextFee;
            stored.nextFeeAt = 0;
        }
        return stored;
    }
}
