//! Who may fetch what is here: whoever knows the hash of a content need not be served it.
//!
//! ```text
//! agreement sent ----> its provider: the module, its inputs, and the files they name
//! report sent -------> its requestor: its outputs, and the files they name
//! proof published ---> anybody: the proof, and what it takes to run that one subtask again
//! ```
//!
//! A deal that is over serves nobody. Whoever may not fetch something is answered as if it were not here, before it is
//! looked up: else the answer would tell who was given the same subtask, and what came out of it where few results are
//! possible.

use golem_net::ContentStore;
use golem_protocol::{B256, ByteCount, ContentHash, NodeId};
use golem_task::{SubtaskInput, SubtaskOutput};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::io::Read;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::mpsc;

/// Published proofs that anybody may fetch; the oldest go. Reason: as many as are told of.
const OPEN_MAX: usize = crate::told::TOLD_MAX;
/// The longest document that is looked into. Reason: as the task crate bounds it.
const DOCUMENT_BYTES_MAX: u64 = golem_task::BUNDLE_BYTES_MAX as u64;

/// From how many bytes on it is told who fetches a content. Reason: less is here before anybody wonders.
const LARGE_BYTES: u64 = 4 * 1024 * 1024;
/// The most fetches that wait to be told of. Reason: they are for people; what has no room is not told.
pub(crate) const FETCHES_TOLD_MAX: usize = 64;

/// A large content that somebody begins to fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LargeFetch {
    pub(crate) by: NodeId,
    pub(crate) content: ContentHash,
    pub(crate) size: ByteCount,
}

/// What may be fetched, with what it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Root {
    /// Nothing but itself.
    Content(ContentHash),
    /// A subtask's input document: its files too.
    Input(ContentHash),
    /// An output document: its files too.
    Output(ContentHash),
}

/// Who may fetch what. Cheap to clone: the loop says it, the network asks.
#[derive(Clone, Default)]
pub(crate) struct Audience {
    guests: Arc<Mutex<Guests>>,
    /// Who wants to know of large fetches.
    told: Arc<OnceLock<mpsc::Sender<LargeFetch>>>,
}

#[derive(Default)]
struct Guests {
    /// By node; those with open deals, which the machine bounds.
    nodes: HashMap<NodeId, Guest>,
    /// Who has which deal.
    deals: BTreeMap<B256, NodeId>,
    /// What anybody may fetch.
    anybody: Guest,
    /// The proofs in it, newest last; at most `OPEN_MAX`.
    open: VecDeque<B256>,
}

/// What one node may fetch, by deal; of the public, by proof.
#[derive(Default)]
struct Guest {
    roots: BTreeMap<B256, BTreeSet<Root>>,
    /// The contents of the roots, and of what was looked into the files. Made anew when the roots change.
    allowed: BTreeSet<ContentHash>,
    /// Documents that were not looked into yet.
    unread: BTreeSet<Root>,
}

impl Root {
    fn hash(self) -> ContentHash {
        match self {
            Root::Content(hash) | Root::Input(hash) | Root::Output(hash) => hash,
        }
    }

    /// The files that this document names; nothing where it is not here, and nothing new where it is no document.
    fn files(self, store: &ContentStore) -> Option<Vec<ContentHash>> {
        let mut bytes = Vec::new();
        if self != Root::Content(self.hash()) {
            let file = store.open_content(self.hash()).ok()??;
            file.take(DOCUMENT_BYTES_MAX + 1).read_to_end(&mut bytes).ok()?;
        }
        let files = match self {
            Root::Content(_) => Vec::new(),
            Root::Input(_) => SubtaskInput::decode(&bytes)
                .map(|input| input.files.iter().chain(&input.stdin).map(|file| file.content).collect())
                .unwrap_or_default(),
            Root::Output(_) => SubtaskOutput::decode(&bytes)
                .map(|output| output.files.iter().map(|file| file.content).collect())
                .unwrap_or_default(),
        };
        Some(files)
    }
}

impl Guest {
    fn refresh(&mut self) {
        self.unread = self.roots.values().flatten().copied().collect();
        self.allowed = self.unread.iter().map(|root| root.hash()).collect();
        self.unread.retain(|root| !matches!(root, Root::Content(_)));
    }
}

impl Audience {
    /// Whom to tell who begins to fetch something large; once.
    pub(crate) fn tell(&self, of_large: mpsc::Sender<LargeFetch>) {
        let _ = self.told.set(of_large);
    }

    /// Somebody who may have it begins to fetch a content.
    pub(crate) fn begins(&self, by: NodeId, content: ContentHash, size: u64) {
        if size >= LARGE_BYTES
            && let Some(told) = self.told.get()
        {
            let _ = told.try_send(LargeFetch { by, content, size: ByteCount(size) });
        }
    }

    /// From now on this node may fetch these for a deal, beside what it may for it already.
    pub(crate) fn allow(&self, deal: B256, node: NodeId, roots: impl IntoIterator<Item = Root>) {
        let mut guests = self.lock();
        guests.deals.insert(deal, node);
        let guest = guests.nodes.entry(node).or_default();
        let known = guest.roots.entry(deal).or_default();
        let before = known.len();
        known.extend(roots);
        if known.len() != before {
            guest.refresh();
        }
    }

    /// Deals that are over serve nobody any more.
    pub(crate) fn keep(&self, is_open: impl Fn(&B256) -> bool) {
        let mut guests = self.lock();
        let over: Vec<(B256, NodeId)> =
            guests.deals.iter().filter(|(deal, _)| !is_open(deal)).map(|(deal, node)| (*deal, *node)).collect();
        for (deal, node) in over {
            guests.deals.remove(&deal);
            let Some(guest) = guests.nodes.get_mut(&node) else { continue };
            guest.roots.remove(&deal);
            guest.refresh();
            if guest.roots.is_empty() {
                guests.nodes.remove(&node);
            }
        }
    }

    /// Anybody may fetch a proof, and what it takes to run its subtask again.
    pub(crate) fn open(&self, proof: ContentHash, contents: impl IntoIterator<Item = ContentHash>) {
        let mut guests = self.lock();
        if guests.anybody.roots.contains_key(&proof.0) {
            return;
        }
        if guests.open.len() >= OPEN_MAX
            && let Some(oldest) = guests.open.pop_front()
        {
            guests.anybody.roots.remove(&oldest);
        }
        guests.open.push_back(proof.0);
        guests.anybody.roots.insert(proof.0, contents.into_iter().chain([proof]).map(Root::Content).collect());
        guests.anybody.refresh();
    }

    /// Whether a node may fetch a content. May read documents from the disk, each once.
    pub(crate) fn admits(&self, node: NodeId, hash: ContentHash, store: &ContentStore) -> bool {
        let unread = {
            let guests = self.lock();
            if guests.allows(node, hash) {
                return true;
            }
            guests.unread(node)
        };
        let read: Vec<(Root, Vec<ContentHash>)> =
            unread.into_iter().filter_map(|root| Some((root, root.files(store)?))).collect();
        if read.is_empty() {
            return false;
        }
        let mut guests = self.lock();
        guests.learn(node, &read);
        guests.allows(node, hash)
    }

    fn lock(&self) -> MutexGuard<'_, Guests> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guests {
    fn allows(&self, node: NodeId, hash: ContentHash) -> bool {
        let own = self.nodes.get(&node).is_some_and(|guest| guest.allowed.contains(&hash));
        own || self.anybody.allowed.contains(&hash)
    }

    fn unread(&self, node: NodeId) -> Vec<Root> {
        let own = self.nodes.get(&node).into_iter().flat_map(|guest| &guest.unread);
        own.chain(&self.anybody.unread).copied().collect()
    }

    fn learn(&mut self, node: NodeId, read: &[(Root, Vec<ContentHash>)]) {
        for guest in self.nodes.get_mut(&node).into_iter().chain([&mut self.anybody]) {
            for (root, files) in read {
                // It may have been taken away meanwhile.
                if guest.unread.remove(root) {
                    guest.allowed.extend(files);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use golem_protocol::Address;
    use golem_task::FileRef;

    fn node(n: u8) -> NodeId {
        NodeId(Address::repeat_byte(n))
    }

    fn file(path: &str, content: ContentHash) -> FileRef {
        FileRef { path: path.to_owned(), content, size: ByteCount::from_bytes(4) }
    }

    struct Here {
        store: ContentStore,
        audience: Audience,
        file: ContentHash,
        output: ContentHash,
        other: ContentHash,
        _folder: tempfile::TempDir,
    }

    impl Here {
        fn new() -> Here {
            let folder = tempfile::tempdir().unwrap();
            let store = ContentStore::open(folder.path(), 1 << 20).unwrap();
            let content = store.insert_bytes(b"file").unwrap();
            let document = SubtaskOutput { exit_code: 0, files: vec![file("stdout", content)] };
            let output = store.insert_bytes(&document.encode().unwrap()).unwrap();
            let other = store.insert_bytes(b"another's").unwrap();
            Here { store, audience: Audience::default(), file: content, output, other, _folder: folder }
        }

        fn admits(&self, n: u8, hash: ContentHash) -> bool {
            self.audience.admits(node(n), hash, &self.store)
        }
    }

    #[test]
    fn serves_a_deal_to_its_other_side_with_all_it_names_until_it_is_over() {
        let here = Here::new();
        let deal = B256::repeat_byte(1);
        assert!(!here.admits(1, here.output));
        here.audience.allow(deal, node(1), [Root::Output(here.output)]);
        // The files first: whoever restarts has the document already.
        assert!(here.admits(1, here.file) && here.admits(1, here.output) && !here.admits(1, here.other));
        assert!(!here.admits(2, here.output) && !here.admits(2, here.file), "nobody else");
        here.audience.keep(|open| *open == deal);
        assert!(here.admits(1, here.file));
        here.audience.keep(|_| false);
        assert!(!here.admits(1, here.output) && !here.admits(1, here.file));
        assert!(here.audience.lock().nodes.is_empty() && here.audience.lock().deals.is_empty());
    }

    #[test]
    fn what_two_deals_name_is_served_until_both_are_over() {
        let here = Here::new();
        let (first, second) = (B256::repeat_byte(1), B256::repeat_byte(2));
        here.audience.allow(first, node(1), [Root::Content(here.other)]);
        here.audience.allow(second, node(1), [Root::Content(here.other), Root::Output(here.output)]);
        here.audience.keep(|deal| *deal == first);
        assert!(here.admits(1, here.other) && !here.admits(1, here.file));
    }

    #[test]
    fn serves_a_published_proof_to_anybody_and_no_more_of_them_than_are_told_of() {
        let here = Here::new();
        let proof = here.store.insert_bytes(b"proof").unwrap();
        here.audience.open(proof, [here.output, here.file]);
        assert!([proof, here.output, here.file].into_iter().all(|hash| here.admits(7, hash)));
        for n in 0..OPEN_MAX as u8 {
            here.audience.open(ContentHash(B256::repeat_byte(n)), []);
        }
        assert!(!here.admits(7, proof) && !here.admits(7, here.file));
        assert_eq!(here.audience.lock().anybody.roots.len(), OPEN_MAX);
    }
}
