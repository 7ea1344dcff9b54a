//! The two keys of a node, as secrets in memory.

use golem_deal::Keys;
use golem_protocol::{Address, KeySigner, NodeId, SignatureError, Signer};
use std::sync::Arc;

/// The keys a node runs with: who it is on the network, and whose money it moves. They may be one.
///
/// A payee can be a third address, a cold wallet: it is a setting, and no key of it is needed here.
#[derive(Clone)]
pub struct NodeKeys {
    identity: [u8; 32],
    payment: [u8; 32],
    identity_signer: KeySigner,
    payment_signer: KeySigner,
}

impl core::fmt::Debug for NodeKeys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "NodeKeys {{ node: {}, payment: {} }}", self.node_id(), self.payment_address())
    }
}

impl NodeKeys {
    /// Takes two secp256k1 keys of 32 bytes.
    ///
    /// Errors: `BadKey` where one of them is none.
    pub fn from_secrets(identity: [u8; 32], payment: [u8; 32]) -> Result<NodeKeys, SignatureError> {
        let identity_signer = KeySigner::from_bytes(&identity)?;
        let payment_signer = KeySigner::from_bytes(&payment)?;
        Ok(NodeKeys { identity, payment, identity_signer, payment_signer })
    }

    /// Who this node is.
    pub fn node_id(&self) -> NodeId {
        NodeId(self.identity_signer.address())
    }

    /// The account that pays: for transactions, and as a requestor for channels.
    pub fn payment_address(&self) -> Address {
        self.payment_signer.address()
    }

    pub(crate) fn signers(&self) -> Keys {
        Keys { identity: Arc::new(self.identity_signer.clone()), payment: Arc::new(self.payment_signer.clone()) }
    }

    /// For the network's handshakes.
    pub(crate) fn identity_secret(&self) -> &[u8; 32] {
        &self.identity
    }

    /// For transactions.
    pub(crate) fn payment_secret(&self) -> &[u8; 32] {
        &self.payment
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_addresses_and_never_the_secrets() {
        let keys = NodeKeys::from_secrets([0x11; 32], [0x22; 32]).unwrap();
        let shown = format!("{keys:?}");
        assert!(shown.contains(&keys.node_id().to_string()));
        assert!(!shown.contains("1111111111") && !shown.contains("17, 17"));
    }

    #[test]
    fn refuses_a_key_of_zeros() {
        assert_eq!(NodeKeys::from_secrets([0; 32], [1; 32]).unwrap_err(), SignatureError::BadKey);
    }
}
