//! Who is let in: allow and deny lists by node, each entry with an end and a reason.

use golem_protocol::{LocalTime, NodeId, RefusalReason};
use serde::{Deserialize, Serialize};
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
    /// Until this moment of the local clock, exclusive; milliseconds since 1970.
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
    allowed: BTreeMap<NodeId, AccessEntry>,
    denied: BTreeMap<NodeId, AccessEntry>,
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
        self.allowed.remove(node);
        self.denied.remove(node);
    }

    /// Drops what has expired.
    pub fn prune(&mut self, now: LocalTime) {
        self.allowed.retain(|_, entry| entry.expires.holds(now));
        self.denied.retain(|_, entry| entry.expires.holds(now));
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

fn insert(list: &mut BTreeMap<NodeId, AccessEntry>, node: NodeId, entry: AccessEntry) -> Result<(), AccessError> {
    if entry.reason.len() > ACCESS_REASON_BYTES_MAX {
        return Err(AccessError::ReasonTooLong { got: entry.reason.len(), max: ACCESS_REASON_BYTES_MAX });
    }
    if list.len() >= ACCESS_ENTRIES_MAX && !list.contains_key(&node) {
        return Err(AccessError::Full { max: ACCESS_ENTRIES_MAX });
    }
    list.insert(node, entry);
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
