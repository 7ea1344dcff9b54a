//! What was decided, counted by kind.

use golem_deal::{ProviderEffect, ProviderEvent, RequestorEffect, RequestorEvent};
use golem_market::Claim;
use golem_payments::ClaimPlan;
use golem_protocol::{Address, B256, ChainRef, Document, Message, RefusalReason, Voucher, Wei};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What the machines decided, by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Decisions {
    /// How many of each kind.
    #[serde(flatten)]
    pub counts: BTreeMap<&'static str, u64>,
    /// How many refusals for each reason.
    pub refusals: BTreeMap<String, u64>,
    /// What is sent again is no decision of its own.
    #[serde(skip)]
    agreements: BTreeSet<B256>,
    #[serde(skip)]
    vouchers: BTreeSet<(Address, u32, Wei)>,
}

impl Decisions {
    fn count(&mut self, kind: &'static str) {
        *self.counts.entry(kind).or_default() += 1;
    }

    fn refuse(&mut self, reason: &RefusalReason) {
        // The reason's name, without the values in it.
        let name = match serde_json::to_value(reason) {
            Ok(Value::String(name)) => name,
            Ok(Value::Object(fields)) => fields.into_iter().next().map(|(name, _)| name).unwrap_or_default(),
            _ => String::new(),
        };
        *self.refusals.entry(name).or_default() += 1;
    }

    pub(super) fn provider(&mut self, effect: &ProviderEffect) {
        match effect {
            ProviderEffect::Compute(_) => self.count("subtasks_begun"),
            ProviderEffect::Claim { .. } => self.count("hurried_claims_wanted"),
            ProviderEffect::Happened(event) => match event {
                ProviderEvent::Offered { .. } => self.count("offers_made"),
                ProviderEvent::Refused { reason, .. } => self.refuse(reason),
                ProviderEvent::Agreed { .. } => self.count("agreements_signed"),
                ProviderEvent::Paid { .. } => self.count("vouchers_taken"),
                ProviderEvent::Unpaid { .. } => self.count("vouchers_not_taken"),
                ProviderEvent::CreditExceeded { .. } => self.count("credit_exceeded"),
                ProviderEvent::Abandoned { .. } => self.count("deals_abandoned"),
                ProviderEvent::LeftAlone { .. } => self.count("programs_left_alone"),
                ProviderEvent::RefusedByPeer { .. }
                | ProviderEvent::Computed { .. }
                | ProviderEvent::Rejected { .. }
                | ProviderEvent::FeePaid { .. }
                | ProviderEvent::FeeUnpaid { .. }
                | ProviderEvent::Uncovered { .. }
                | ProviderEvent::Ended { .. }
                | ProviderEvent::DepositUndone { .. }
                | ProviderEvent::ClaimUndone { .. } => {}
            },
            ProviderEffect::Persist { .. }
            | ProviderEffect::Send { .. }
            | ProviderEffect::ReadChannel(_)
            | ProviderEffect::StopComputing { .. }
            | ProviderEffect::WakeAt(_) => {}
        }
    }

    pub(super) fn claims(&mut self, plan: &ClaimPlan) {
        if !plan.payers.is_empty() {
            self.count("claims_by_rule");
        }
    }

    pub(super) fn looks(&mut self, claims: &[Claim]) {
        claims.iter().for_each(|_| self.count("looks_at_proofs"));
    }

    pub(super) fn requestor(&mut self, effect: &RequestorEffect, chain: &ChainRef) {
        match effect {
            RequestorEffect::Send { message: Message::Agreement(agreement), .. } => {
                if self.agreements.insert(agreement.document.digest(chain)) {
                    self.count("offers_chosen");
                }
            }
            RequestorEffect::Send { message: Message::Verdict { voucher, author_voucher, .. }, .. } => {
                for voucher in voucher.iter().chain(author_voucher) {
                    let Voucher { payee, epoch, cumulative } = voucher.document;
                    if self.vouchers.insert((payee, epoch, cumulative)) {
                        self.count("vouchers_signed");
                    }
                }
            }
            RequestorEffect::Fund { .. } => self.count("fundings_wanted"),
            RequestorEffect::Recheck { .. } => self.count("own_runs"),
            RequestorEffect::Publish(_) => self.count("proofs_published"),
            RequestorEffect::Happened(event) => self.requestor_event(event),
            RequestorEffect::Persist { .. }
            | RequestorEffect::Announce(_)
            | RequestorEffect::Send { .. }
            | RequestorEffect::ReadChannel(_)
            | RequestorEffect::Fetch(_)
            | RequestorEffect::KeepSlow(_)
            | RequestorEffect::WakeAt(_) => {}
        }
    }

    fn requestor_event(&mut self, event: &RequestorEvent) {
        match event {
            RequestorEvent::Offered { .. } => self.count("offers_heard"),
            RequestorEvent::Refused { reason, .. } => self.refuse(reason),
            RequestorEvent::Accepted { .. } => self.count("results_accepted"),
            RequestorEvent::Rejected { .. } => self.count("results_not_accepted"),
            RequestorEvent::Hedged { .. } => self.count("subtasks_hedged"),
            RequestorEvent::KnownGiven { .. } => self.count("known_subtasks_given"),
            RequestorEvent::RefusedByPeer { .. }
            | RequestorEvent::Agreed { .. }
            | RequestorEvent::OwnRun { .. }
            | RequestorEvent::CopiesWait { .. }
            | RequestorEvent::FoundWrong { .. }
            | RequestorEvent::Freed { .. }
            | RequestorEvent::DepositUndone { .. }
            | RequestorEvent::CloseUndone { .. }
            | RequestorEvent::FundFailed { .. }
            | RequestorEvent::OffersWait { .. }
            | RequestorEvent::BudgetReached { .. }
            | RequestorEvent::Finished { .. } => {}
        }
    }
}
