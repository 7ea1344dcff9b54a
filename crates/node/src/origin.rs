//! What the machines and their policies are made of, besides keys, records and chance: a node makes them by it, and so
//! does a replay of its trace.

use crate::error::StartError;
use crate::settings::{PeerLists, ProviderConfig, RequestorConfig};
use golem_deal::{Keys, OVERDUE_MS, Provider, ProviderSettings, Record, Requestor, RequestorSettings};
use golem_market::{Lot, ProviderMarketPolicy, RequestorMarketPolicy, Rules};
use golem_protocol::{ContentHash, Now, Wei};
use serde::{Deserialize, Serialize};

/// What a provider is made of.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProviderOrigin {
    pub(crate) settings: ProviderSettings,
    min_price_wei: Wei,
    rules: Rules,
    /// Fuel per second, as measured.
    performance: u64,
    peers: PeerLists,
    identity_bits: u8,
    programs: Vec<ContentHash>,
    now: Now,
}

impl ProviderOrigin {
    pub(crate) fn new(config: &ProviderConfig, performance: u64, now: Now) -> ProviderOrigin {
        ProviderOrigin {
            settings: ProviderSettings {
                chain: config.chain.chain_ref(),
                payee: config.payee,
                slots: config.slots,
                profile: golem_sandbox::profile::digest(),
                memory_max: config.memory_max,
                memory_total: config.memory_at_once(),
                output_max: config.output_max,
                offer_life_s: config.offer_life_s,
                claim_margin_s: config.claim_margin_s,
                overdue_ms: OVERDUE_MS,
            },
            min_price_wei: config.min_price,
            rules: config.rules,
            performance,
            peers: config.peers.clone(),
            identity_bits: config.identity_bits,
            programs: config.programs.clone(),
            now,
        }
    }

    /// Takes up what the records hold.
    ///
    /// Errors: `Setting`, `Market`, `Recover`.
    pub(crate) fn build(&self, keys: Keys, records: &[Record]) -> Result<(Provider, ProviderMarketPolicy), StartError> {
        let rules = golem_market::ProviderSettings::by(self.rules, self.min_price_wei);
        let slots = self.settings.slots;
        let lists = self.peers.lists()?;
        let mut policy = ProviderMarketPolicy::recover(rules, self.performance, slots, lists, records, self.now)?;
        policy.demand_identity(self.identity_bits.into());
        policy.run_only(self.programs.clone());
        let machine = Provider::recover(self.settings.clone(), keys, records, self.now)
            .map_err(|source| StartError::Recover { source })?;
        Ok((machine, policy))
    }
}

/// What a requestor is made of.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequestorOrigin {
    pub(crate) settings: RequestorSettings,
    choice: golem_market::RequestorSettings,
    peers: PeerLists,
    identity_bits: u8,
    now: Now,
}

impl RequestorOrigin {
    pub(crate) fn new(config: &RequestorConfig, now: Now) -> RequestorOrigin {
        RequestorOrigin {
            settings: RequestorSettings {
                chain: config.chain.chain_ref(),
                grace_ms: config.grace_ms,
                lost_ms: config.lost_ms,
                copy_addresses: config.copy_addresses,
            },
            choice: config.choice.market(),
            peers: config.peers.clone(),
            identity_bits: config.choice.identity_bits,
            now,
        }
    }

    /// Takes up what the records hold.
    ///
    /// Errors: `Setting`, `Market`, `Recover`.
    pub(crate) fn build(
        &self,
        keys: Keys,
        lot: Box<dyn Lot>,
        records: &[Record],
    ) -> Result<(Requestor, RequestorMarketPolicy), StartError> {
        let mut policy = RequestorMarketPolicy::recover(self.choice, self.peers.lists()?, lot, records)?;
        policy.demand_identity(self.identity_bits.into());
        let machine = Requestor::recover(self.settings.clone(), keys, records, self.now)
            .map_err(|source| StartError::Recover { source })?;
        for task in machine.tasks() {
            if let Some(order) = machine.order(task.header) {
                policy.watch(task.header, order.checks);
            }
        }
        Ok((machine, policy))
    }
}
