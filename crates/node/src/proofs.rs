//! Wrong results that others found: hearing of them, and looking at those that matter.
//!
//! What is heard is kept by the market ([`golem_market::Proofs`]), which says when it is worth a look: before an offer of
//! the accused is taken. A look fetches the proof and the subtask's input from whoever says so, and runs it here.

use crate::content::Contents;
use crate::gossip::Allowances;
use crate::told::Told;
use crate::worker::{JobStop, Runner, SubtaskBounds, compute};
use golem_deal::ComputeJob;
use golem_market::Claim;
use golem_net::GossipVerdict;
use golem_protocol::limits::SUBTASK_TIMEOUT_S_MAX;
use golem_protocol::proof::PROOF_BYTES_MAX;
use golem_protocol::{
    AccusedResult, B256, ByteCount, ChainRef, ContentHash, LocalTime, NodeId, Pricing, ProofNotice, SubtaskOutcome,
    WireError, WrongResultProof,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Notices taken of one node at once, and the time for one more, in milliseconds. Reason: twice what a node tells.
const BURST: u32 = 32;
const EVERY_MS: u64 = 15_000;
/// Notices of which the size of the proof is remembered. Reason: as many as the market keeps.
const HEARD_MAX: usize = golem_market::proof::CLAIMS_MAX;
/// The most that one look may fetch, and the memory and output it may take. Reason: it is somebody else's subtask.
const BOUNDS: SubtaskBounds = SubtaskBounds {
    memory_max: ByteCount::from_bytes(2 << 30),
    output_max: ByteCount::from_bytes(256 << 20),
    input_max: ByteCount::from_bytes(128 << 20),
};
/// The most that what was fetched for looks may take on disk; what was used longest ago goes first.
pub(crate) const PROOF_CONTENT_MAX: ByteCount = ByteCount::from_bytes(512 << 20);

/// Decides on gossiped notices.
pub(crate) struct ProofGate(Allowances);

impl ProofGate {
    pub(crate) fn new() -> ProofGate {
        ProofGate(Allowances::new(BURST, EVERY_MS))
    }

    /// What the network is to do with a notice of `source`, and the notice where it is one.
    pub(crate) fn judge(
        &mut self,
        source: NodeId,
        bytes: &[u8],
        now: LocalTime,
    ) -> (GossipVerdict, Option<ProofNotice>) {
        if !self.0.take(source, now) {
            return (GossipVerdict::Ignore, None);
        }
        let notice = match ProofNotice::decode(bytes) {
            Ok(notice) => notice,
            // An older or newer neighbour passes on what it understands: no fault of anybody's.
            Err(WireError::Version { .. }) => return (GossipVerdict::Ignore, None),
            Err(_) => return (GossipVerdict::Reject, None),
        };
        let possible = notice.proof_bytes.0 <= PROOF_BYTES_MAX as u64
            && (1..=SUBTASK_TIMEOUT_S_MAX).contains(&notice.subtask_timeout_s)
            && notice.provider != source;
        if possible { (GossipVerdict::Accept, Some(notice)) } else { (GossipVerdict::Reject, None) }
    }
}

/// What is known of proofs beside the market's part.
pub(crate) struct ProofDesk {
    chain: ChainRef,
    contents: Contents,
    runner: Arc<Runner>,
    /// How long each proof is that was heard of, as its accuser says; at most `HEARD_MAX`.
    heard: BTreeMap<(NodeId, B256), ByteCount>,
    /// Those that are told to others.
    pub(crate) told: Told,
}

/// What a look at a proof came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The result is wrong, as this proves.
    Wrong(Box<WrongResultProof>),
    /// The result is right, or the documents prove nothing.
    Right(String),
    /// It could not be looked at here.
    Unknown(String),
}

impl ProofDesk {
    /// `contents` are for what is fetched to look at, and nothing else.
    pub(crate) fn new(chain: ChainRef, contents: Contents, runner: Arc<Runner>) -> ProofDesk {
        ProofDesk { chain, contents, runner, heard: BTreeMap::new(), told: Told::new() }
    }

    /// What was fetched to look at.
    pub(crate) fn contents(&self) -> &Contents {
        &self.contents
    }

    /// Keeps in mind what a claim needs beside what the market keeps.
    pub(crate) fn heard(&mut self, source: NodeId, notice: &ProofNotice) -> Claim {
        if self.heard.len() >= HEARD_MAX {
            self.heard.pop_first();
        }
        self.heard.insert((source, notice.proof.0), notice.proof_bytes);
        let ProofNotice { provider, proof, subtask_timeout_s, .. } = *notice;
        Claim { provider, accuser: source, proof: proof.0, subtask_timeout_s }
    }

    /// Looks at a proof. What it fetched may be taken away as soon as it is done.
    pub(crate) fn look(&self, claim: Claim, stop: JobStop) -> impl Future<Output = Seen> + Send + 'static {
        let size = self.heard.get(&(claim.accuser, claim.proof)).copied();
        let (chain, contents, runner) = (self.chain, self.contents.clone(), self.runner.clone());
        async move {
            let Some(size) = size else { return Seen::Unknown("its length was forgotten".to_owned()) };
            let (proof, result) = match accused(&contents, &chain, &claim, size).await {
                Ok(accused) => accused,
                Err(seen) => return seen,
            };
            let header = (*result.header).clone();
            let pricing = header.pricing;
            let job = ComputeJob {
                agreement: claim.proof,
                index: 0,
                input: result.input,
                requestor: claim.accuser,
                // Slower machines than the provider's may be as right.
                timeout_s: header.subtask_timeout_s.saturating_mul(2),
                header,
            };
            verdict(&result, pricing, proof, compute(runner, contents, BOUNDS, job, stop).await.outcome)
        }
    }
}

/// Fetches a proof and holds its documents against each other.
async fn accused(
    contents: &Contents,
    chain: &ChainRef,
    claim: &Claim,
    size: ByteCount,
) -> Result<(Box<WrongResultProof>, AccusedResult), Seen> {
    let unknown = |error: &dyn ToString| Seen::Unknown(error.to_string());
    let nothing = |error: &dyn ToString| Seen::Right(error.to_string());
    let hash = ContentHash(claim.proof);
    contents.fetch(hash, size.0, claim.accuser).await.map_err(|error| unknown(&error))?;
    let bytes = contents.blocking(move |here| here.read(hash)).await.map_err(|error| unknown(&error))?;
    let proof = WrongResultProof::decode(&bytes).map_err(|error| match error {
        // An older or newer golem wrote it, which proves nothing against anybody.
        WireError::Version { .. } => unknown(&error),
        error => nothing(&error),
    })?;
    let result = proof.clone().check(chain).map_err(|error| nothing(&error))?;
    if result.provider != claim.provider {
        return Err(nothing(&"the proof is about another provider"));
    }
    if result.header.profile != golem_sandbox::profile::digest() {
        return Err(unknown(&"it was run by other rules of the sandbox"));
    }
    if result.header.memory_max > BOUNDS.memory_max || result.header.output_max > BOUNDS.output_max {
        return Err(unknown(&"it takes more memory or output than a look may"));
    }
    Ok((Box::new(proof), result))
}

/// Holds what came out here against what was reported.
fn verdict(result: &AccusedResult, pricing: Pricing, proof: Box<WrongResultProof>, outcome: SubtaskOutcome) -> Seen {
    match outcome {
        SubtaskOutcome::Completed { output, fuel, .. } => {
            let same = output == result.output && (pricing == Pricing::Tender || fuel == result.fuel);
            if same { Seen::Right("it is what comes out here".to_owned()) } else { Seen::Wrong(proof) }
        }
        // The task itself is at fault, so there is no result that could be right.
        SubtaskOutcome::Failed { kind, .. } if kind.is_deterministic() => Seen::Wrong(proof),
        SubtaskOutcome::Failed { message, .. } => Seen::Unknown(message),
    }
}
