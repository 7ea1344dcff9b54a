//! One secp256k1 key, three names: the libp2p peer id, the [`NodeId`], and the Ethereum address that the node id is.

use std::collections::{HashMap, VecDeque};

use golem_protocol::{Address, NodeId};
use libp2p::PeerId;
use libp2p::identity::{Keypair, PublicKey, secp256k1};

use crate::limits::DIRECTORY_MAX;

/// The key pair of 32 secret bytes; `None` where they are zero or above the curve's order.
pub(crate) fn keypair(mut secret: [u8; 32]) -> Option<Keypair> {
    // Parsing wipes the copy it is given.
    let secret = secp256k1::SecretKey::try_from_bytes(&mut secret).ok()?;
    Some(secp256k1::Keypair::from(secret).into())
}

/// The node behind a peer id. `None` unless its key is secp256k1, which a peer id of that kind holds within itself.
pub(crate) fn node_of(peer: &PeerId) -> Option<NodeId> {
    let multihash = peer.as_ref();
    // Code 0 is "identity": the digest is the encoded key.
    if multihash.code() != 0 {
        return None;
    }
    let key = PublicKey::try_decode_protobuf(multihash.digest()).ok()?.try_into_secp256k1().ok()?;
    let [_, uncompressed @ ..] = key.to_bytes_uncompressed();
    Some(NodeId(Address::from_raw_public_key(&uncompressed)))
}

/// The peer ids of nodes met, since an address cannot be turned back into a key. Bounded; the longest known makes room.
/// Those connected are kept apart: authors' keys cost nothing, and a flood of them must not push our partners out.
#[derive(Default)]
pub(crate) struct Directory {
    connected: HashMap<NodeId, PeerId>,
    peers: HashMap<NodeId, PeerId>,
    order: VecDeque<NodeId>,
}

impl Directory {
    /// Remembers a peer; returns its node, or `None` for a key that is not ours to deal with.
    pub(crate) fn learn(&mut self, peer: PeerId) -> Option<NodeId> {
        let node = node_of(&peer)?;
        if self.peers.insert(node, peer).is_none() {
            self.order.push_back(node);
            if self.order.len() > DIRECTORY_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.peers.remove(&oldest);
            }
        }
        Some(node)
    }

    /// As [`Directory::learn`], for as long as the peer is connected.
    pub(crate) fn connected(&mut self, peer: PeerId) -> Option<NodeId> {
        let node = self.learn(peer)?;
        self.connected.insert(node, peer);
        Some(node)
    }

    /// The last connection to the node is gone.
    pub(crate) fn disconnected(&mut self, node: NodeId) {
        self.connected.remove(&node);
    }

    /// The peer id of a node met before.
    pub(crate) fn peer(&self, node: NodeId) -> Option<PeerId> {
        self.connected.get(&node).or_else(|| self.peers.get(&node)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_the_ethereum_address_of_its_key() {
        // The well-known address of the secret key 1.
        let mut secret = [0; 32];
        secret[31] = 1;
        let peer = keypair(secret).unwrap().public().to_peer_id();
        assert_eq!(node_of(&peer).unwrap().to_string(), "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf");
        assert!(keypair([0; 32]).is_none());
        assert!(keypair([255; 32]).is_none());
    }

    #[test]
    fn other_kinds_of_keys_are_no_nodes() {
        assert_eq!(node_of(&Keypair::generate_ed25519().public().to_peer_id()), None);
        assert_eq!(node_of(&PeerId::random()), None);
    }

    #[test]
    fn the_directory_is_bounded() {
        let mut directory = Directory::default();
        let mut secret = [0; 32];
        secret[31] = 1;
        let first = keypair(secret).unwrap().public().to_peer_id();
        let node = directory.connected(first).unwrap();
        // Filled up by hand: making so many keys takes long.
        for n in 0..DIRECTORY_MAX as u64 {
            directory.order.push_back(NodeId(Address::left_padding_from(&n.to_be_bytes())));
        }
        secret[31] = 2;
        directory.learn(keypair(secret).unwrap().public().to_peer_id()).unwrap();
        assert_eq!(directory.peer(node), Some(first), "a connected one is kept");
        directory.disconnected(node);
        assert_eq!(directory.peer(node), None);
    }
}
