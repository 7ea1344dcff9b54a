//! `AppRegistry` as this crate calls it, and its errors in words.

alloy::sol! {
    #[derive(Debug)]
    interface AppRegistry {
        struct App {
            bytes32 metadata;
            uint96 fee;
            uint96 nextFee;
            uint40 nextFeeAt;
            bool published;
        }

        error ZeroDigest();
        error NotPublished(address author, bytes32 module);
        error AlreadyPublished(address author, bytes32 module);
        error BadNotice(uint256 got, uint256 allowed);

        function publish(bytes32 module, bytes32 metadata, uint96 fee) external;
        function describe(bytes32 module, bytes32 metadata) external;
        function setFee(bytes32 module, uint96 fee) external;
        function retire(bytes32 module) external;
        function app(address author, bytes32 module) external view returns (App);
        function FEE_NOTICE() external view returns (uint32);
    }
}
pub(crate) use AppRegistry::*;

/// What the contract refused, in words.
pub(super) fn error_in_words(error: &AppRegistryErrors) -> String {
    use AppRegistryErrors as E;
    match error {
        E::ZeroDigest(_) => "ZeroDigest: the digest zero names no module and no metadata".into(),
        E::NotPublished(e) => format!("NotPublished: {} published no module {}, or retired it", e.author, e.module),
        E::AlreadyPublished(e) => format!("AlreadyPublished: {} published module {} already", e.author, e.module),
        E::BadNotice(e) => format!("BadNotice: {} s, allowed are 1 to {} s", e.got, e.allowed),
    }
}
