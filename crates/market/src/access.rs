//! Who is let in: allow and deny lists by node, each entry with an end and a reason.

use golem_protocol::{LocalTime, NodeId, RefusalReason};
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;

/// The most entries of one list. Reason: a list is read at every offer and kept in memory; more is another tool's work.
pub const ACCESS_ENTRIES_MAX: usize = 10_000;
/// The longest reason of an entry, in bytes. Reason: a sentence for the owner of the list.
pub const ACCESS_REASON_BYTES_MAX: usize = 256;

/// Until when an entry holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expiry {
    /// Until it is removed.
    Never,
    /// Until this moment of local time, exclusive; milliseconds since 1970. What a node slept counts once it is started again.
    At(LocalTime),
}

impl Expiry {
    fn holds(self, now: LocalTime) -> bool {
        match self {
            Expiry::Never => true,
            Expiry::At(end) => now < end,
        }
    }
}

/// One entry of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessEntry {
    /// Until when.
    pub expires: Expiry,
    /// Why, for whoever reads the list later; it is not sent to the node.
    pub reason: String,
}

/// Who may deal when no entry says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DefaultAccess {
    /// Anybody who is not denied.
    #[default]
    Everyone,
    /// Only who is on the allow list.
    AllowedOnly,
}

/// The two lists. A node on both is denied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccessLists {
    /// Who may deal when no entry says otherwise.
    pub unlisted: DefaultAccess,
    allowed: Entries,
    denied: Entries,
}

/// One list. Shape: stored as the map is; most nodes have none, and a simulation has millions of nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "BTreeMap<NodeId, AccessEntry>")]
// 8 bytes where there is no list, and not 24.
#[allow(clippy::box_collection)]
struct Entries(Option<Box<BTreeMap<NodeId, AccessEntry>>>);

impl From<BTreeMap<NodeId, AccessEntry>> for Entries {
    fn from(map: BTreeMap<NodeId, AccessEntry>) -> Entries {
        Entries((!map.is_empty()).then(|| Box::new(map)))
    }
}

impl Serialize for Entries {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_map(self.0.iter().flat_map(|map| map.iter()))
    }
}

impl Entries {
    fn get(&self, node: &NodeId) -> Option<&AccessEntry> {
        self.0.as_ref()?.get(node)
    }

    fn change(&mut self, change: impl FnOnce(&mut BTreeMap<NodeId, AccessEntry>)) {
        if let Some(map) = &mut self.0 {
            change(map);
        }
        if self.0.as_ref().is_some_and(|map| map.is_empty()) {
            self.0 = None;
        }
    }
}

impl AccessLists {
    /// The lists of a configuration, for good: only `allow`, where it is not empty, and never `deny`.
    ///
    /// Errors: `Full`.
    pub fn configured(allow: &[NodeId], deny: &[NodeId]) -> Result<AccessLists, AccessError> {
        let entry = || AccessEntry { expires: Expiry::Never, reason: "set in the configuration".to_owned() };
        let mut lists = AccessLists::default();
        if !allow.is_empty() {
            lists.unlisted = DefaultAccess::AllowedOnly;
        }
        allow.iter().try_for_each(|node| lists.allow(*node, entry()))?;
        deny.iter().try_for_each(|node| lists.deny(*node, entry()))?;
        Ok(lists)
    }

    /// Puts a node on the deny list, or renews its entry.
    ///
    /// Errors: `Full`, `ReasonTooLong`. Nothing changes then.
    pub fn deny(&mut self, node: NodeId, entry: AccessEntry) -> Result<(), AccessError> {
        insert(&mut self.denied, node, entry)
    }

    /// Puts a node on the allow list, or renews its entry.
    ///
    /// Errors: `Full`, `ReasonTooLong`. Nothing changes then.
    pub fn allow(&mut self, node: NodeId, entry: AccessEntry) -> Result<(), AccessError> {
        insert(&mut self.allowed, node, entry)
    }

    /// Takes a node off both lists.
    pub fn remove(&mut self, node: &NodeId) {
        for list in [&mut self.allowed, &mut self.denied] {
            list.change(|map| drop(map.remove(node)));
        }
    }

    /// Drops what has expired.
    pub fn prune(&mut self, now: LocalTime) {
        for list in [&mut self.allowed, &mut self.denied] {
            list.change(|map| map.retain(|_, entry| entry.expires.holds(now)));
        }
    }

    /// The deny list's entry that holds for a node now.
    pub fn denied(&self, node: &NodeId, now: LocalTime) -> Option<&AccessEntry> {
        self.denied.get(node).filter(|entry| entry.expires.holds(now))
    }

    /// The allow list's entry that holds for a node now.
    pub fn allowed(&self, node: &NodeId, now: LocalTime) -> Option<&AccessEntry> {
        self.allowed.get(node).filter(|entry| entry.expires.holds(now))
    }

    /// Whether a node may deal with us.
    ///
    /// Errors: `Denied`, without the reason: that is for the owner of the list.
    pub fn admit(&self, node: &NodeId, now: LocalTime) -> Result<(), RefusalReason> {
        if self.denied(node, now).is_some() {
            return Err(RefusalReason::Denied);
        }
        match self.unlisted {
            DefaultAccess::Everyone => Ok(()),
            DefaultAccess::AllowedOnly if self.allowed(node, now).is_some() => Ok(()),
            DefaultAccess::AllowedOnly => Err(RefusalReason::Denied),
        }
    }
}

fn insert(list: &mut Entries, node: NodeId, entry: AccessEntry) -> Result<(), AccessError> {
    if entry.reason.len() > ACCESS_REASON_BYTES_MAX {
        return Err(AccessError::ReasonTooLong { got: entry.reason.len(), max: ACCESS_REASON_BYTES_MAX });
    }
    let map = list.0.get_or_insert_default();
    if map.len() >= ACCESS_ENTRIES_MAX && !map.contains_key(&node) {
        return Err(AccessError::Full { max: ACCESS_ENTRIES_MAX });
    }
    map.insert(node, entry);
    Ok(())
}

/// Why an entry was not made. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// The list is at its bound.
    #[error("the list already has {max} entries, the most it can hold; remove some first")]
    Full {
        /// The bound.
        max: usize,
    },
    /// The reason is too long.
    #[error("the reason has {got} bytes, and at most {max} are kept; shorten it")]
    ReasonTooLong {
        /// Its length.
        got: usize,
        /// The bound.
        max: usize,
    },
}
