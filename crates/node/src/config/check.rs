//! What can be known of settings without a key, a chain or a network: so that nobody types a password for settings that
//! cannot be kept.

use super::ConfigFile;
use golem_market::AccessLists;
use golem_protocol::limits::SLOTS_MAX;
use golem_protocol::{ByteCount, Wei};
use golem_sandbox::profile::{MEMORY_MAX, OUTPUT_MAX};
use golem_task::Verification;
use std::fmt::Display;
use std::ops::RangeInclusive;

/// A setting that cannot be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingProblem {
    /// Which, as `section.key`.
    pub key: &'static str,
    /// What is wrong with its value, and what to set.
    pub detail: String,
}

impl Display for SettingProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.key, self.detail)
    }
}

/// An address has 160 bits, and nobody finds a key with more than some dozens.
const IDENTITY_BITS: RangeInclusive<u8> = 0..=160;

/// The largest size that can be counted in bytes.
const COUNTABLE: ByteCount = ByteCount::from_bytes(u64::MAX);

/// The problems found so far.
#[derive(Default)]
struct Found(Vec<SettingProblem>);

impl Found {
    fn add(&mut self, key: &'static str, detail: impl Display) {
        self.0.push(SettingProblem { key, detail: detail.to_string() });
    }

    fn range<N: PartialOrd + Display>(&mut self, key: &'static str, got: Option<N>, allowed: RangeInclusive<N>) {
        if let Some(got) = got.filter(|got| !allowed.contains(got)) {
            self.add(key, format!("it is {got}; set it between {} and {}", allowed.start(), allowed.end()));
        }
    }

    fn at_least_one(&mut self, key: &'static str, got: Option<u64>, why: &str) {
        if got == Some(0) {
            self.add(key, format!("it is 0; set it to at least 1: {why}"));
        }
    }

    /// Of a size in MiB: not more than this.
    fn size(&mut self, key: &'static str, mib: Option<u64>, least: u64, most: ByteCount) {
        self.range(key, mib, least..=most.0 >> 20);
    }

    fn amount(&mut self, key: &'static str, text: Option<&String>) -> Option<Wei> {
        match text.map(|text| Wei::parse_gnt(text)).transpose() {
            Ok(amount) => amount,
            Err(error) => {
                self.add(key, error);
                None
            }
        }
    }
}

impl ConfigFile {
    /// All that is wrong with the settings, in the order of the sections.
    pub fn problems(&self) -> Vec<SettingProblem> {
        let mut found = Found::default();
        self.check_chain(&mut found);
        self.check_network(&mut found);
        self.check_provider(&mut found);
        self.check_requestor(&mut found);
        let (allowed, denied) = (&self.peers.allow, &self.peers.deny);
        if let Err(error) = AccessLists::configured(allowed, denied) {
            found.add("peers", format!("{} allowed and {} denied; {error}", allowed.len(), denied.len()));
        }
        found.0
    }

    fn check_chain(&self, found: &mut Found) {
        let section = &self.chain;
        found.at_least_one("chain.confirmations", section.confirmations, "which is \"in the newest block\"");
        found.at_least_one("chain.poll_ms", section.poll_ms, "the endpoint cannot be asked all the time");
        found.at_least_one("chain.max_fee_gwei", section.max_fee_gwei, "no transaction goes through without");
    }

    fn check_network(&self, found: &mut Found) {
        let section = &self.network;
        for (key, addresses) in [("network.listen", &section.listen), ("network.bootstrap", &section.bootstrap)] {
            for address in addresses.iter().flatten() {
                if let Err(error) = golem_net::check_address(address) {
                    found.add(key, error);
                }
            }
        }
        if let Some(listen) = self.api.listen.filter(|listen| !listen.ip().is_loopback()) {
            found.add("api.listen", format!("it is {listen}; {}", crate::api::LOOPBACK_STEP));
        }
    }

    fn check_provider(&self, found: &mut Found) {
        let section = &self.provider;
        let price = "provider.min_price_gnt_per_hour";
        if found.amount(price, section.min_price_gnt_per_hour.as_ref()) == Some(Wei::ZERO) {
            found.add(price, "it is 0 GNT; set it to more, such as \"0.1\"");
        }
        found.range("provider.slots", section.slots, 1..=SLOTS_MAX);
        found.range("provider.cpu_percent", section.cpu_percent, 1..=100);
        let (one, all) = (section.memory_max_mib, section.memory_total_mib);
        found.size("provider.memory_max_mib", one, 1, MEMORY_MAX);
        found.size("provider.memory_total_mib", all, 1, COUNTABLE);
        if let (Some(one), Some(all)) = (one, all)
            && all < one
        {
            let text = format!("it is {all}, less than the {one} of memory_max_mib; set it to that or more");
            found.add("provider.memory_total_mib", text);
        }
        found.range("provider.identity_bits", section.identity_bits, IDENTITY_BITS);
        found.range("provider.yield_percent", section.yield_percent, 1..=100);
        found.size("provider.output_max_mib", section.output_max_mib, 1, OUTPUT_MAX);
        found.size("provider.content_max_mib", section.content_max_mib, 1, COUNTABLE);
        found.size("provider.modules_max_mib", section.modules_max_mib, 0, COUNTABLE);
        found.amount("provider.claim_threshold_gnt", section.claim_threshold_gnt.as_ref());
        found.amount("provider.gnt_per_ether", section.gnt_per_ether.as_ref());
        found.at_least_one("provider.offer_life_s", section.offer_life_s, "nobody could take an offer in time");
    }

    fn check_requestor(&self, found: &mut Found) {
        let section = &self.requestor;
        found.range("requestor.slots", section.slots, 1..=SLOTS_MAX);
        if let Some(Err(error)) = section.quality_floor.as_deref().map(Verification::parse_fraction) {
            found.add("requestor.quality_floor", error);
        }
        found.range("requestor.identity_bits", section.identity_bits, IDENTITY_BITS);
        found.size("requestor.content_max_mib", section.content_max_mib, 1, COUNTABLE);
        found.size("requestor.modules_max_mib", section.modules_max_mib, 0, COUNTABLE);
    }
}
