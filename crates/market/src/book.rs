//! A map for a node that knows a few peers, or thousands.

use golem_protocol::NodeId;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;

/// By which part of what is known room is made for more. Reason: most nodes know a handful of peers, and doubling would leave
/// half of the memory empty.
const GROWS_BY: usize = 4;

/// Where it is kept what is known of peers, by their ids. Nodes use a [`Book`]; a simulation of millions of them keeps the
/// same in less memory.
pub trait Peers<R>: Default {
    /// How many are known.
    fn count(&self) -> usize;
    /// What is known of somebody.
    fn get(&self, peer: &NodeId) -> Option<R>;
    /// Sets what is known of somebody.
    fn insert(&mut self, peer: NodeId, record: R);
    /// Forgets somebody.
    fn remove(&mut self, peer: &NodeId) -> Option<R>;
    /// Everybody, in any order.
    fn all(&self) -> impl Iterator<Item = (NodeId, R)>;
}

impl<R: Copy> Peers<R> for Book<NodeId, R> {
    fn count(&self) -> usize {
        self.len()
    }

    fn get(&self, peer: &NodeId) -> Option<R> {
        Book::get(self, peer).copied()
    }

    fn insert(&mut self, peer: NodeId, record: R) {
        Book::insert(self, peer, record);
    }

    fn remove(&mut self, peer: &NodeId) -> Option<R> {
        Book::remove(self, peer)
    }

    fn all(&self) -> impl Iterator<Item = (NodeId, R)> {
        self.iter().map(|(peer, record)| (*peer, *record))
    }
}

/// Entries in the order of their keys, in one piece of memory.
///
/// Shape: stored as a `BTreeMap` is. A new key costs a move of those above it, of a megabyte at the most that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Book<K, V>(Vec<(K, V)>);

impl<K, V> Default for Book<K, V> {
    fn default() -> Book<K, V> {
        Book(Vec::new())
    }
}

impl<K: Ord, V> Book<K, V> {
    /// Nobody is known.
    pub const fn new() -> Book<K, V> {
        Book(Vec::new())
    }

    fn place(&self, key: &K) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| other.cmp(key))
    }

    /// How many are known.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nobody is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether somebody is known.
    pub fn contains_key(&self, key: &K) -> bool {
        self.place(key).is_ok()
    }

    /// What is known of somebody.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.0.get(self.place(key).ok()?).map(|(_, value)| value)
    }

    /// What is known of somebody, to change it.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let place = self.place(key).ok()?;
        self.0.get_mut(place).map(|(_, value)| value)
    }

    /// Sets what is known of somebody.
    pub fn insert(&mut self, key: K, value: V) {
        match self.place(&key) {
            Ok(place) => {
                if let Some(entry) = self.0.get_mut(place) {
                    entry.1 = value;
                }
            }
            Err(place) => {
                if self.0.len() == self.0.capacity() {
                    self.0.reserve_exact((self.0.len() / GROWS_BY).max(1));
                }
                self.0.insert(place, (key, value));
            }
        }
    }

    /// Forgets somebody.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.place(key).ok().map(|place| self.0.remove(place).1)
    }

    /// Everybody, in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.0.iter().map(|(key, value)| (key, value))
    }
}

impl<K: Serialize, V: Serialize> Serialize for Book<K, V> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

impl<'de, K: Ord + Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for Book<K, V> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        // Through a map: what is stored need not be in order, or each key once.
        Ok(Book(BTreeMap::<K, V>::deserialize(d)?.into_iter().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn knows_and_stores_what_a_map_does(steps in proptest::collection::vec((0u8..40, any::<Option<u16>>()), 0..200)) {
            let (mut book, mut map) = (Book::new(), BTreeMap::new());
            for (key, value) in steps {
                match value {
                    Some(value) => {
                        book.insert(key, value);
                        map.insert(key, value);
                    }
                    None => prop_assert_eq!(book.remove(&key), map.remove(&key)),
                }
                prop_assert_eq!(book.get(&key), map.get(&key));
                prop_assert_eq!(book.contains_key(&key), map.contains_key(&key));
            }
            prop_assert!(book.iter().eq(map.iter()));
            prop_assert_eq!((book.len(), book.is_empty()), (map.len(), map.is_empty()));
            let stored = postcard::to_allocvec(&book).unwrap();
            prop_assert_eq!(&stored, &postcard::to_allocvec(&map).unwrap());
            prop_assert_eq!(postcard::from_bytes::<Book<u8, u16>>(&stored).unwrap(), book);
        }
    }
}
