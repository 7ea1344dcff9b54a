//! A provider's standing, out of its loop.

use crate::lifecycle::local_now;
use crate::owner_limits::owner_limits;
use crate::provider_loop::ProviderLoop;
use crate::startup::network_status;
use crate::status::{
    Activity, AuthorAccount, ChainStatus, LeftAlone, PayerAccount, ProgramSpeed, ProviderStatus, Totals, UnpaidStatus,
};
use golem_protocol::Wei;

impl ProviderLoop {
    pub(crate) async fn status(&self) -> ProviderStatus {
        let payers: Vec<PayerAccount> = self
            .machine
            .ledgers()
            .iter()
            .map(|ledger| PayerAccount {
                payer: ledger.channel().payer,
                epoch: ledger.state().epoch,
                deposit_wei: ledger.state().deposit,
                earned_wei: ledger.earned(),
                claimable_wei: ledger.claimable(),
                claimed_wei: ledger.state().claimed,
                close_at_s: ledger.state().close_at.0,
            })
            .collect();
        let totals = payers.iter().fold(Totals::default(), |sum, payer| Totals {
            earned_wei: sum.earned_wei.saturating_add(payer.earned_wei),
            claimable_wei: sum.claimable_wei.saturating_add(payer.claimable_wei),
            claimed_wei: sum.claimed_wei.saturating_add(payer.claimed_wei),
        });
        ProviderStatus {
            node: self.machine.node(),
            activity: self.activity(),
            network: network_status(&self.net).await,
            chain: ChainStatus {
                chain_id: self.config.chain.deployment.chain_id,
                channels: self.config.chain.deployment.channels,
                time_s: self.now.chain.0,
                lost: self.chain_lost.clone(),
            },
            payee: self.config.payee,
            min_price_wei: self.config.min_price,
            last_offer_wei: self.last_offer,
            performance: self.performance,
            margin: self.policy.margin(self.now),
            programs: self.programs(),
            left_alone: self.left_alone(),
            unpaid: UnpaidStatus {
                late: self.policy.unpaid().late(self.now.local),
                lost_wei: self.policy.unpaid().lost(),
                closed_s: self.policy.closed_to_strangers_ms(self.now).map(|ms| ms.div_ceil(1_000)),
            },
            isolation: self.runner.isolation(),
            limits: owner_limits(&self.config),
            slots: self.config.slots,
            slots_busy: self.running.len().min(u16::MAX as usize) as u16,
            deals: self.machine.open_deals(),
            content_bytes: self.contents.used_bytes(),
            counters: self.counters,
            payers,
            totals,
            authors: self.authors(),
            claim: self.claim_plan(),
            lost_wei: self.lost,
        }
    }

    fn programs(&self) -> Vec<ProgramSpeed> {
        let seen = self.policy.speeds().iter();
        let known = seen.filter_map(|(program, seen)| {
            let fuel_per_second = seen.per_second()?;
            Some(ProgramSpeed { program: *program, fuel_per_second, subtasks: seen.subtasks })
        });
        known.collect()
    }

    fn left_alone(&self) -> Vec<LeftAlone> {
        let now = local_now();
        let left = self.machine.left_alone().map(|(program, detail, until)| LeftAlone {
            program,
            detail: detail.to_owned(),
            left_s: until.saturating_sub(now).div_ceil(1_000),
        });
        left.collect()
    }

    fn authors(&self) -> Vec<AuthorAccount> {
        let ledgers = self.machine.author_ledgers().into_iter().zip(self.machine.fees_owed());
        ledgers
            .map(|(ledger, (channel, owed_wei))| AuthorAccount {
                author: channel.payee,
                payer: channel.payer,
                epoch: ledger.state().epoch,
                deposit_wei: ledger.state().deposit,
                held_wei: ledger.best().map_or(Wei::ZERO, |best| best.document.cumulative),
                claimed_wei: ledger.state().claimed,
                owed_wei,
            })
            .collect()
    }

    fn activity(&self) -> Activity {
        if self.drained {
            return Activity::Draining;
        }
        let mut reasons = Vec::new();
        if let Some(detail) = self.saver.full() {
            reasons.push(format!("the disk is full ({detail}): free some space"));
        }
        if let Some(detail) = &self.chain_lost {
            reasons.push(format!("the chain cannot be read: {detail}"));
        }
        reasons.extend(self.resting.clone());
        if reasons.is_empty() { Activity::Open } else { Activity::Paused { reasons } }
    }
}
