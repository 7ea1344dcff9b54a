//! What a requestor's loop does about wrong results: its own finds, and those of others.

use crate::events::RequestorNotice;
use crate::evidence;
use crate::lifecycle::local_now;
use crate::proofs::Seen;
use crate::published;
use crate::requestor_done::Done;
use crate::requestor_loop::RequestorLoop;
use crate::told::Shown;
use crate::trace::MarketTold;
use crate::worker::JobStop;
use golem_deal::{RequestorFact, RequestorPolicy, SlowResult};
use golem_market::Claim;
use golem_protocol::{NodeId, PROOF_TOPIC, ProofNotice, WrongResultProof};
use std::path::PathBuf;
use std::sync::PoisonError;

impl RequestorLoop {
    /// A result of a task of ours was run again here and is wrong: it is kept as a proof, for others to fetch.
    pub(crate) fn keep_proof(&mut self, proof: WrongResultProof) {
        if !self.config.share_proofs {
            return;
        }
        self.tell_of_proof(proof);
    }

    /// What was found or seen to be wrong before the node was stopped is told of again.
    pub(crate) async fn recall_proofs(&mut self) {
        if !self.config.share_proofs {
            return;
        }
        let folder = self.config.folder.path().to_path_buf();
        let kept = tokio::task::spawn_blocking(move || published::all(&folder)).await.unwrap_or_default();
        kept.into_iter().for_each(|proof| self.tell_of_proof(proof));
    }

    fn tell_of_proof(&mut self, proof: WrongResultProof) {
        // A batch of wrong results is told of once: one of them says all about who gave them.
        if self.proofs.told.tells_of(&proof.report.document.provider) {
            return;
        }
        let (own, looks) = (self.contents.clone(), self.proofs.contents().clone());
        let (folder, node) = (self.config.folder.path().to_path_buf(), self.machine.node());
        self.work.spawn_blocking(move || {
            let provider = proof.report.document.provider;
            let shown = match Shown::of(&proof, node, &own, &looks) {
                Ok(shown) => shown,
                Err(why) => {
                    tracing::warn!(%provider, %why, "a proof is not told of, since it could not be shown");
                    return Done::ProofKept(None);
                }
            };
            if let Err(error) = published::keep(&folder, &proof) {
                tracing::warn!(%error, "a proof is told of until this node stops, and not again after");
            }
            Done::ProofKept(Some(Box::new(shown)))
        });
    }

    /// A provider promised more than it delivered, though it could know better: what it signed is kept.
    pub(crate) fn keep_slow(&mut self, slow: SlowResult) {
        let (folder, chain) = (self.config.folder.path().to_path_buf(), self.config.chain.chain_ref());
        let provider = slow.documents.report.document.provider;
        let turn = self.evidence.clone();
        self.work.spawn_blocking(move || {
            let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
            Done::SlowKept { provider, kept: evidence::keep(&folder, chain, &slow).map_err(|error| error.to_string()) }
        });
    }

    pub(crate) fn slow_kept(&mut self, provider: NodeId, kept: Result<PathBuf, String>) {
        match kept {
            Ok(file) => {
                tracing::info!(%provider, file = %file.display(), "slower than promised, what it signed is kept")
            }
            Err(error) => tracing::warn!(%provider, error, "slower than promised, what it signed is not kept"),
        }
    }

    pub(crate) fn proof_kept(&mut self, shown: Option<Box<Shown>>) {
        let Some(shown) = shown else { return };
        let ProofNotice { provider, proof, .. } = shown.notice;
        tracing::info!(%provider, %proof, "a wrong result is told to others");
        self.audience.open(proof, shown.contents.iter().copied());
        self.proofs.told.add(*shown);
    }

    /// Tells of what was seen to be wrong here: at first, to somebody new, and again now and then.
    pub(crate) fn say_proofs(&mut self) {
        let notices = self.proofs.told.due(local_now());
        notices.into_iter().for_each(|notice| self.publish_notice(notice));
    }

    fn publish_notice(&mut self, notice: ProofNotice) {
        let Ok(bytes) = notice.encode() else { return };
        let net = self.net.clone();
        self.work.spawn(async move {
            if let Err(error) = net.publish(PROOF_TOPIC, bytes).await {
                tracing::info!(%error, "nobody heard of a proof now, it is told again");
            }
            Done::Noted
        });
    }

    /// Somebody else found a wrong result.
    pub(crate) fn heard(&mut self, source: NodeId, notice: &ProofNotice) {
        if !self.config.share_proofs || source == self.machine.node() {
            return;
        }
        let claim = self.proofs.heard(source, notice);
        let heard = self.policy.hear(claim);
        let why_not: Vec<String> = heard.err().iter().map(ToString::to_string).collect();
        self.note_market(MarketTold::Hear(claim), &why_not);
        match heard {
            Ok(()) => tracing::info!(accuser = %source, provider = %claim.provider, "heard of a wrong result"),
            Err(why) => tracing::debug!(accuser = %source, provider = %claim.provider, %why, "proof not kept"),
        }
    }

    /// Begins the looks that the market wants: offers wait for them.
    pub(crate) fn look_at_proofs(&mut self) {
        let wanted = self.policy.looks_wanted();
        if !wanted.is_empty() {
            self.note_market(MarketTold::LooksWanted, &wanted);
        }
        for claim in wanted {
            tracing::info!(provider = %claim.provider, accuser = %claim.accuser, "a wrong result of somebody else's is run again here");
            let stop = JobStop::new();
            self.looks.insert(claim.proof, stop.clone());
            let look = self.proofs.look(claim, stop);
            self.work.spawn(async move { Done::Looked { claim, seen: look.await } });
        }
    }

    pub(crate) fn looked(&mut self, claim: &Claim, seen: Seen) {
        self.looks.remove(&claim.proof);
        let told = match &seen {
            Seen::Wrong(_) => MarketTold::Proven(*claim),
            Seen::Right(_) => MarketTold::Refuted(*claim),
            Seen::Unknown(_) => MarketTold::GivenUp(*claim),
        };
        let found = match seen {
            Seen::Wrong(proof) => {
                self.policy.note(&RequestorFact::Proven { provider: claim.provider }, self.now);
                // Whoever said so may leave; it is as true then.
                self.tell_of_proof(*proof);
                "the result is wrong: it gets no more work here".to_owned()
            }
            Seen::Right(why) => {
                self.policy.refute(claim, self.now);
                format!("no proof, {why}: whoever said so is not listened to any more")
            }
            Seen::Unknown(why) => {
                self.policy.give_up(claim);
                format!("it could not be looked at: {why}")
            }
        };
        tracing::info!(provider = %claim.provider, accuser = %claim.accuser, found, "looked at a proof");
        self.note_market::<()>(told, &[]);
        self.say(RequestorNotice::ProofLookedAt { provider: claim.provider, accuser: claim.accuser, found });
        self.step(golem_deal::RequestorInput::Tick);
    }
}
