//! The proofs of wrong results that this node vouches for, since it ran the subtask itself: what is served for each, and
//! how often others hear of it.
//!
//! Start with [`Told::add`]. Whoever found a result wrong, or looked at somebody's proof and saw it wrong too, tells of it:
//! so it does not die when its finder leaves. That gossip does not grow with the number of those who tell has two reasons:
//! a node tells of one proof for each provider, whoever found it, and of all together at the pace of one allowance.

use crate::content::{Contents, Pins};
use crate::error::ContentError;
use crate::gossip::Allowance;
use golem_protocol::{ByteCount, ContentHash, LocalTime, NodeId, ProofNotice, WireError, WrongResultProof};
use golem_task::SubtaskInput;
use std::collections::VecDeque;

/// Proofs that are told of. Reason: a node is wrong rarely, and each provider is proven once.
pub(crate) const TOLD_MAX: usize = 64;
/// How often each, in milliseconds. Reason: who comes later has not heard it, and gossip is not kept.
const AGAIN_MS: u64 = 5 * 60 * 1000;
/// Notices at once, and the time for one more, in milliseconds: 120 an hour, however many proofs there are, however many
/// come and go, and whoever else tells of the same. Reason: each reaches every node. A requestor with a task announces its
/// header ten times as often, so notices never are what a network's gossip consists of; and 64 proofs are all told of within
/// half an hour.
const BURST: u32 = 16;
const EVERY_MS: u64 = 30_000;
/// The most that is served of others' tasks for one proof, and for all. Reason: the disk and the line are this node's; the
/// second leaves half of the room for looks.
const FOREIGN_EACH_MAX: ByteCount = ByteCount::from_bytes(64 << 20);
const FOREIGN_MAX: ByteCount = ByteCount::from_bytes(256 << 20);

/// A proof with all that it takes to run its subtask again, none of which goes away while this is held.
pub(crate) struct Shown {
    pub(crate) notice: ProofNotice,
    /// The proof, the module, the input and its files.
    pub(crate) contents: Vec<ContentHash>,
    /// Whether it is about a result of a task of this node's.
    is_own: bool,
    /// How much of it is kept for this alone.
    foreign: ByteCount,
    _pins: [Pins; 2],
}

/// Why a proof is not shown to others.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unshown {
    /// It is longer than a proof may be.
    #[error("it cannot be written down: {0}")]
    Proof(#[from] WireError),
    /// The proof or what backs it is not here.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// It takes too much room.
    #[error("module and input have {} bytes, and {} are kept of somebody else's task", .bytes.0, FOREIGN_EACH_MAX.0)]
    TooLarge { bytes: ByteCount },
}

impl Shown {
    /// Gathers it: `own` holds what is of this node's tasks, `looks` what was fetched to look, and the proof. Blocks.
    ///
    /// Errors: it could be told of and not be shown; nothing is held.
    pub(crate) fn of(
        proof: &WrongResultProof,
        node: NodeId,
        own: &Contents,
        looks: &Contents,
    ) -> Result<Shown, Unshown> {
        let bytes = proof.encode()?;
        let hash = looks.insert_bytes(&bytes)?;
        let (mut pins, mut own_pins) = (looks.pins(), own.pins());
        pins.add(hash);
        let mut contents = vec![hash];
        let mut foreign = ByteCount::from_bytes(bytes.len() as u64);
        let mut hold = |hash: ContentHash| {
            // Pinned before it is looked for: it must not go in between.
            pins.add(hash);
            own_pins.add(hash);
            contents.push(hash);
            if own.has(hash).is_none() {
                let size = looks.has(hash).ok_or(ContentError::Missing { digest: hash.0 })?;
                foreign = ByteCount(foreign.0.saturating_add(size));
            }
            Ok::<(), Unshown>(())
        };
        let agreed = proof.agreement.document.subtask(proof.index);
        let input = agreed.map(|subtask| subtask.input).ok_or(ContentError::Missing { digest: hash.0 })?;
        hold(proof.header.document.module)?;
        hold(input)?;
        let document = if own.has(input).is_some() { own.read(input)? } else { looks.read(input)? };
        let document = SubtaskInput::decode(&document).map_err(|error| ContentError::Malformed {
            digest: input.0,
            what: "subtask's input",
            detail: error.to_string(),
        })?;
        document.files.iter().chain(&document.stdin).try_for_each(|file| hold(file.content))?;
        if foreign > FOREIGN_EACH_MAX {
            return Err(Unshown::TooLarge { bytes: foreign });
        }
        let notice = ProofNotice {
            provider: proof.report.document.provider,
            proof: hash,
            proof_bytes: ByteCount::from_bytes(bytes.len() as u64),
            subtask_timeout_s: proof.header.document.subtask_timeout_s,
        };
        let is_own = proof.header.document.requestor == node;
        Ok(Shown { notice, contents, is_own, foreign, _pins: [pins, own_pins] })
    }
}

struct Entry {
    shown: Shown,
    told: LocalTime,
    /// Somebody has not heard it yet.
    is_wanted: bool,
}

/// All of them, newest last.
pub(crate) struct Told {
    entries: VecDeque<Entry>,
    allowance: Allowance,
}

impl Told {
    pub(crate) fn new() -> Told {
        Told { entries: VecDeque::new(), allowance: Allowance::full(BURST, EVERY_MS) }
    }

    /// Whether a proof about this provider is told of.
    pub(crate) fn tells_of(&self, provider: &NodeId) -> bool {
        self.entries.iter().any(|entry| entry.shown.notice.provider == *provider)
    }

    /// One more; of the same provider only the newest. Others' tasks make room first.
    pub(crate) fn add(&mut self, shown: Shown) {
        self.entries.retain(|known| known.shown.notice.provider != shown.notice.provider);
        self.entries.push_back(Entry { shown, told: LocalTime::default(), is_wanted: true });
        while self.entries.len() > TOLD_MAX || self.foreign() > FOREIGN_MAX.0 {
            let oldest = self.entries.iter().position(|entry| !entry.shown.is_own).unwrap_or_default();
            self.entries.remove(oldest);
        }
    }

    fn foreign(&self) -> u64 {
        self.entries.iter().fold(0, |sum, entry| sum.saturating_add(entry.shown.foreign.0))
    }

    /// Somebody came who has heard nothing yet.
    pub(crate) fn somebody_new(&mut self) {
        self.entries.iter_mut().for_each(|entry| entry.is_wanted = true);
    }

    /// What is to be told now: first what was told longest ago, so that who comes and goes keeps nothing from being told.
    pub(crate) fn due(&mut self, now: LocalTime) -> Vec<ProofNotice> {
        let mut due: Vec<&mut Entry> = self
            .entries
            .iter_mut()
            .filter(|entry| entry.is_wanted || now.saturating_sub(entry.told) >= AGAIN_MS)
            .collect();
        due.sort_by_key(|entry| entry.told);
        let allowance = &mut self.allowance;
        due.into_iter()
            .take_while(|_| allowance.take(BURST, EVERY_MS, now))
            .map(|entry| {
                (entry.told, entry.is_wanted) = (now, false);
                entry.shown.notice
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Room;
    use crate::evidence::tests::slow;
    use golem_protocol::{Address, B256};
    use golem_task::{FileRef, SubtaskLimits};
    use std::collections::BTreeSet;

    const HOUR_MS: u64 = 3_600_000;

    struct Here {
        own: Contents,
        looks: Contents,
        _folder: tempfile::TempDir,
    }

    fn here() -> Here {
        let folder = tempfile::tempdir().unwrap();
        let open = |name: &str, room| Contents::open(&folder.path().join(name), 1 << 20, room).unwrap();
        Here { own: open("content", Room::Keep), looks: open("looks", Room::Reclaim), _folder: folder }
    }

    fn node(n: u64) -> NodeId {
        NodeId(Address::left_padding_from(&n.to_be_bytes()))
    }

    impl Here {
        /// A proof whose module and input lie in one of the folders.
        fn proof(&self, of: &Contents) -> WrongResultProof {
            let mut proof = slow(0).documents;
            let (module, content) = (of.insert_bytes(&[1; 300]).unwrap(), of.insert_bytes(&[2; 200]).unwrap());
            let limits = SubtaskLimits {
                fuel_max: proof.header.document.fuel_max,
                memory_max: ByteCount(1),
                table_elements_max: 1,
                output_max: ByteCount(1),
                output_files_max: 1,
            };
            let stdin = FileRef { path: "stdin".to_owned(), content, size: ByteCount(200) };
            let input = SubtaskInput { module, args: vec![], stdin: Some(stdin), files: vec![], seed: [0; 32], limits };
            let input = of.insert_bytes(&input.encode().unwrap()).unwrap();
            proof.header.document.module = module;
            proof.agreement.document.subtasks[0].input = input;
            proof
        }

        fn shown(&self, provider: u64, is_own: bool, foreign: u64) -> Shown {
            let notice = ProofNotice {
                provider: node(provider),
                proof: ContentHash(B256::left_padding_from(&provider.to_be_bytes())),
                proof_bytes: ByteCount(1),
                subtask_timeout_s: 1,
            };
            let foreign = ByteCount::from_bytes(foreign);
            Shown { notice, contents: vec![], is_own, foreign, _pins: [self.looks.pins(), self.own.pins()] }
        }
    }

    fn told(told: &mut Told, at: u64) -> Vec<NodeId> {
        told.due(LocalTime(at)).into_iter().map(|notice| notice.provider).collect()
    }

    #[test]
    fn holds_all_that_it_takes_to_run_somebody_elses_subtask_again_while_it_is_told_of() {
        let here = here();
        let proof = here.proof(&here.looks);
        let shown = Shown::of(&proof, node(1), &here.own, &here.looks).unwrap();
        assert!(!shown.is_own && shown.contents.len() == 4 && shown.foreign.0 > 500, "{}", shown.foreign.0);
        // Whatever else is looked at takes the place of what is not held.
        (0..4).for_each(|n| _ = here.looks.insert_bytes(&vec![n; 300_000]).unwrap());
        assert!(shown.contents.iter().all(|hash| here.looks.has(*hash).is_some()));
        drop(shown);
        _ = here.looks.insert_bytes(&vec![9; 1 << 20]).unwrap();
        let gone = Shown::of(&proof, node(1), &here.own, &here.looks);
        assert!(matches!(gone, Err(Unshown::Content(ContentError::Missing { .. }))), "who tells must be able to show");
    }

    #[test]
    fn takes_no_room_for_what_is_of_an_own_task() {
        let here = here();
        let proof = here.proof(&here.own);
        let requestor = proof.header.document.requestor;
        let shown = Shown::of(&proof, requestor, &here.own, &here.looks).unwrap();
        assert!(shown.is_own && shown.foreign == shown.notice.proof_bytes);
        let module = proof.header.document.module;
        here.own.take_away(module).unwrap();
        assert!(here.own.has(module).is_some(), "the task's end does not take it away");
        drop(shown);
        here.own.take_away(module).unwrap();
        assert_eq!(here.own.has(module), None);
    }

    #[test]
    fn tells_of_one_proof_for_each_provider_and_again_every_five_minutes() {
        let (here, mut all) = (here(), Told::new());
        all.add(here.shown(1, true, 0));
        all.add(here.shown(2, false, 10));
        all.add(here.shown(1, false, 10));
        assert!(all.tells_of(&node(1)) && !all.tells_of(&node(3)));
        assert_eq!(told(&mut all, 1_000), [node(2), node(1)]);
        assert_eq!(told(&mut all, 1_000 + AGAIN_MS - 1), []);
        assert_eq!(told(&mut all, 1_000 + AGAIN_MS), [node(2), node(1)]);
        all.somebody_new();
        assert_eq!(told(&mut all, 2_000 + AGAIN_MS).len(), 2, "who comes hears it at once");
    }

    #[test]
    fn tells_no_more_than_its_allowance_whoever_comes_and_goes_and_leaves_none_out() {
        let (here, mut all) = (here(), Told::new());
        (0..TOLD_MAX as u64).for_each(|n| all.add(here.shown(n, n % 2 == 0, 0)));
        let mut heard = Vec::new();
        for at in (1_000..1_000 + HOUR_MS).step_by(1_000) {
            all.somebody_new();
            heard.extend(told(&mut all, at));
        }
        assert_eq!(heard.len(), (HOUR_MS / EVERY_MS) as usize + BURST as usize - 1);
        let first: BTreeSet<NodeId> = heard[..TOLD_MAX].iter().copied().collect();
        assert_eq!(first.len(), TOLD_MAX, "each has its turn");
    }

    #[test]
    fn keeps_a_bounded_number_and_size_and_lets_others_tasks_go_first() {
        let (here, mut all) = (here(), Told::new());
        all.add(here.shown(0, true, 0));
        (1..=TOLD_MAX as u64).for_each(|n| all.add(here.shown(n, false, 0)));
        assert_eq!(all.entries.len(), TOLD_MAX);
        let kept = |all: &Told, n| all.entries.iter().any(|entry| entry.shown.notice.provider == node(n));
        assert!(kept(&all, 0) && !kept(&all, 1) && kept(&all, 2));
        (100..105).for_each(|n| all.add(here.shown(n, false, FOREIGN_EACH_MAX.0)));
        assert!(all.foreign() <= FOREIGN_MAX.0 && kept(&all, 0) && !kept(&all, 100) && kept(&all, 101));
        (200..300).for_each(|n| all.add(here.shown(n, true, 0)));
        assert!(all.entries.len() == TOLD_MAX && !kept(&all, 0) && kept(&all, 299));
    }
}
