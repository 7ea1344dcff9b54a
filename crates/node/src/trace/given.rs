//! What the machines are given besides their inputs: signatures, and numbers drawn by chance. A trace keeps what was given,
//! never the keys and the secret that it came from, and a replay gives it again.

use golem_deal::Keys;
use golem_market::Lot;
use golem_protocol::{Address, B256, CompactSignature, SignatureError, Signer};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// One thing that was given, with what was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Given {
    /// A signature.
    Signature { by: Address, digest: B256, signature: CompactSignature },
    /// A number.
    Drawn(u64),
    /// Whether a result is run again here.
    Chosen { share_ppm: u32, header: B256, index: u32, chosen: bool },
}

/// What a step was given, in order, where a trace is written.
#[derive(Clone)]
pub(crate) struct Notebook(Option<Arc<Mutex<Notes>>>);

enum Notes {
    Taken(Vec<Given>),
    /// The trace has ended before the node.
    Over,
}

impl Notebook {
    /// One that takes notes, or not.
    pub(crate) fn new(takes_notes: bool) -> Notebook {
        Notebook(takes_notes.then(|| Arc::new(Mutex::new(Notes::Taken(Vec::new())))))
    }

    /// These keys, with a note of each signature.
    pub(crate) fn keys(&self, keys: Keys) -> Keys {
        let noted = |inner: Arc<dyn Signer>| -> Arc<dyn Signer> {
            match &self.0 {
                Some(_) => Arc::new(NotedSigner { inner, notes: self.clone() }),
                None => inner,
            }
        };
        Keys { identity: noted(keys.identity), payment: noted(keys.payment) }
    }

    /// This lot, with a note of each choice.
    pub(crate) fn lot(&self, inner: Box<dyn Lot>) -> Box<dyn Lot> {
        match &self.0 {
            Some(_) => Box::new(NotedLot { inner, notes: self.clone() }),
            None => inner,
        }
    }

    fn note(&self, given: Given) {
        if let Some(notes) = &self.0
            && let Notes::Taken(notes) = &mut *notes.lock().unwrap_or_else(PoisonError::into_inner)
        {
            notes.push(given);
        }
    }

    /// What was given since the last call.
    pub(super) fn take(&self) -> Vec<Given> {
        self.turn(Notes::Taken(Vec::new()))
    }

    /// Takes no more notes.
    pub(super) fn stop(&self) {
        self.turn(Notes::Over);
    }

    fn turn(&self, to: Notes) -> Vec<Given> {
        let Some(notes) = &self.0 else { return Vec::new() };
        match std::mem::replace(&mut *notes.lock().unwrap_or_else(PoisonError::into_inner), to) {
            Notes::Taken(given) => given,
            Notes::Over => Vec::new(),
        }
    }
}

struct NotedSigner {
    inner: Arc<dyn Signer>,
    notes: Notebook,
}

impl Signer for NotedSigner {
    fn address(&self) -> Address {
        self.inner.address()
    }

    fn sign_digest(&self, digest: &B256) -> Result<CompactSignature, SignatureError> {
        let signature = self.inner.sign_digest(digest)?;
        self.notes.note(Given::Signature { by: self.address(), digest: *digest, signature });
        Ok(signature)
    }
}

struct NotedLot {
    inner: Box<dyn Lot>,
    notes: Notebook,
}

impl Lot for NotedLot {
    fn draw(&mut self) -> u64 {
        let drawn = self.inner.draw();
        self.notes.note(Given::Drawn(drawn));
        drawn
    }

    fn chooses(&self, share_ppm: u32, header: B256, index: u32) -> bool {
        let chosen = self.inner.chooses(share_ppm, header, index);
        self.notes.note(Given::Chosen { share_ppm, header, index, chosen });
        chosen
    }
}

/// What a step is given again.
#[derive(Clone, Default)]
pub(super) struct Again(Arc<Mutex<Queue>>);

#[derive(Default)]
struct Queue {
    left: VecDeque<Given>,
    /// The first thing asked for that is not what was given.
    amiss: Option<String>,
}

impl Again {
    /// What the next step is given.
    pub(super) fn lay_out(&self, given: Vec<Given>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Queue { left: given.into(), amiss: None };
    }

    /// What the step asked for that was not given, or left of what was.
    pub(super) fn amiss(&self) -> Option<String> {
        let queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = queue.left.front().map(|given| format!("it did not ask for {given:?}, which it was given"));
        queue.amiss.clone().or(left)
    }

    /// The next thing, where it answers what is asked.
    fn next<T>(&self, asked: impl FnOnce() -> String, answer: impl FnOnce(&Given) -> Option<T>) -> Option<T> {
        let mut queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = queue.left.pop_front();
        let answered = next.as_ref().and_then(answer);
        if answered.is_none() && queue.amiss.is_none() {
            queue.amiss = Some(match next {
                Some(given) => format!("it asked for {}, and was given {given:?}", asked()),
                None => format!("it asked for {}, and was given nothing", asked()),
            });
        }
        answered
    }

    /// Keys that sign what was signed and nothing else: no secret is needed, and none is there.
    pub(super) fn keys(&self, identity: Address, payment: Address) -> Keys {
        let signer = |address| Arc::new(SignsAgain { address, again: self.clone() });
        Keys { identity: signer(identity), payment: signer(payment) }
    }

    /// A lot that falls as it fell.
    pub(super) fn lot(&self) -> Box<dyn Lot> {
        Box::new(FallsAgain(self.clone()))
    }
}

struct SignsAgain {
    address: Address,
    again: Again,
}

impl Signer for SignsAgain {
    fn address(&self) -> Address {
        self.address
    }

    fn sign_digest(&self, wanted: &B256) -> Result<CompactSignature, SignatureError> {
        let asked = || format!("the signature of {} on {wanted}", self.address);
        let given = self.again.next(asked, |given| match given {
            Given::Signature { by, digest, signature } if *by == self.address && digest == wanted => Some(*signature),
            Given::Signature { .. } | Given::Drawn(_) | Given::Chosen { .. } => None,
        });
        given.ok_or(SignatureError::BadKey)
    }
}

struct FallsAgain(Again);

impl Lot for FallsAgain {
    fn draw(&mut self) -> u64 {
        let drawn = self.0.next(
            || "a number".to_owned(),
            |given| match given {
                Given::Drawn(number) => Some(*number),
                Given::Signature { .. } | Given::Chosen { .. } => None,
            },
        );
        drawn.unwrap_or_default()
    }

    fn chooses(&self, share: u32, task: B256, subtask: u32) -> bool {
        let asked = || format!("whether {subtask} of {task} is in a share of {share} ppm");
        let chosen = self.0.next(asked, |given| match given {
            Given::Chosen { share_ppm, header, index, chosen }
                if (*share_ppm, *header, *index) == (share, task, subtask) =>
            {
                Some(*chosen)
            }
            Given::Signature { .. } | Given::Drawn(_) | Given::Chosen { .. } => None,
        });
        chosen.unwrap_or_default()
    }
}
