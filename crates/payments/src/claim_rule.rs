//! When a payee claims: once waiting has cost as much as claiming would, and always before a close can be final.
//!
//! ```text
//! claimable of a channel, over chain time -> Waiting (its integral) -.
//! closeAt of the channel, or another risk ----------------------------+-> ClaimRule::plan -> whom to claim, and why
//! gas price, GNT per ether ------------------------------------------'
//! ```
//!
//! Waiting costs: money that is not claimed lies idle, and is lost with the key, the disk, or a close that is missed. The
//! owner prices that in parts per million per day of the claimable sum. Claiming costs gas: a part of every transaction,
//! and a part of every channel in it. Nobody knows what will be earned next, so this is the problem of renting skis or
//! buying them, and has its answer: **claim when the cost of the waiting so far reaches the cost of claiming now**.
//!
//! - In every stretch between two claims, whoever decides in hindsight either claims too, or waits as long: so with one
//!   channel and a gas price that stays, the rule never costs more than twice the best decision in hindsight, and the
//!   waiting between two looks at the chain. No rule that does not know the future is sure of less.
//! - With many channels each pays its own gas out of its own waiting, and what is over pays the gas of the transaction. So
//!   gas never costs more than the waiting it ends, and nobody's small vouchers hold up or ride on another's.
//! - A channel whose claimable sum is not worth its own gas is left alone: money is never spent to get less.
//! - At `threshold` it claims whatever the waiting has cost: the most that is ever at risk at once. Where no price of ether
//!   in GNT is set, only this decides; no oracle is trusted.
//! - A channel whose payer has asked to close is claimed at once, whatever it waited.
//!
//! The integral is kept by [`Waiting`] in whole wei-seconds and changes only where the claimable sum does. So it is exact,
//! and a restart that keeps the record changes nothing: time spent off counts as waiting too.

use golem_protocol::units::WEI_PER_GNT;
use golem_protocol::{Address, ChainTime, Wei};
use serde::{Deserialize, Serialize};

/// Gas of a claim, whatever is in it: the transaction, its log, the token's transfer. The node's tests hold it against
/// receipts.
pub const CLAIM_GAS_BASE: u64 = 41_000;
/// Gas of one voucher in a claim: its bytes, its signature, its channel's slot.
pub const CLAIM_GAS_EACH: u64 = 10_900;
/// Seconds in a day, times a million: what a rate in parts per million per day is a part of.
const DAY_S_TIMES_MILLION: u128 = 86_400 * 1_000_000;

/// How much money has waited how long in one channel.
///
/// Units: wei times seconds of chain time. Shape: the sum up to `since`, and what waits since then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    amount: Wei,
    since: ChainTime,
    wei_seconds: u128,
}

impl Waiting {
    /// Takes over what can be claimed from now on. What was claimed takes its share of the waiting with it, in
    /// proportion: what is left of it is rounded down.
    pub fn observe(&mut self, claimable: Wei, now: ChainTime) {
        let waited = self.until(now);
        self.wei_seconds =
            if claimable < self.amount { share_rounded_down(waited, claimable, self.amount) } else { waited };
        self.amount = claimable;
        // A clock that was turned back by a reorg counts no second twice.
        self.since = self.since.max(now);
    }

    /// What has been waited for up to now, in wei-seconds; held at the largest value.
    pub fn until(&self, now: ChainTime) -> u128 {
        let stretch = self.amount.0.saturating_mul(u128::from(now.saturating_sub(self.since)));
        self.wei_seconds.saturating_add(stretch)
    }
}

/// `floor(sum * part / whole)` for a part of at most the whole, both of 96 bits; exact, digit by digit.
fn share_rounded_down(sum: u128, part: Wei, whole: Wei) -> u128 {
    let (Some(each), Some(rest)) = (sum.checked_div(whole.0), sum.checked_rem(whole.0)) else { return 0 };
    let (mut quotient, mut left) = (0u128, 0u128);
    for bit in (0..u128::BITS - part.0.leading_zeros()).rev() {
        // `left` is below the whole, so neither step needs more than 98 bits.
        left = (left << 1) + if part.0 >> bit & 1 == 1 { rest } else { 0 };
        quotient = (quotient << 1) + left / whole.0;
        left %= whole.0;
    }
    each.saturating_mul(part.0).saturating_add(quotient)
}

/// What gas costs in GNT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "known", rename_all = "snake_case")]
pub enum GasWorth {
    /// Nobody said what ether is worth, or what the chain asks for gas is not known yet.
    Unknown,
    /// So much for one unit of gas, in wei of GNT.
    PerGas {
        /// Rounded up.
        wei: Wei,
    },
}

impl GasWorth {
    /// From what the chain asks, in wei of ether per gas, and what an ether is worth in GNT. Rounded up to a wei per gas.
    pub fn of(ether_wei_per_gas: u64, gnt_per_ether: Wei) -> GasWorth {
        let product = u128::from(ether_wei_per_gas).checked_mul(gnt_per_ether.0);
        let wei = product.and_then(|product| Wei(product.div_ceil(WEI_PER_GNT)).bounded()).unwrap_or(Wei::MAX);
        GasWorth::PerGas { wei }
    }

    /// So much gas in GNT; nothing where it is not known.
    fn cost(self, gas: u64) -> Wei {
        match self {
            GasWorth::Unknown => Wei::ZERO,
            GasWorth::PerGas { wei } => wei.checked_mul(gas).unwrap_or(Wei::MAX),
        }
    }
}

/// The owner's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimRule {
    /// What waiting costs, in parts per million per day of what waits.
    pub waiting_ppm_per_day: u32,
    /// The claimable sum at which it claims whatever the waiting has cost.
    pub threshold: Wei,
}

/// A channel as the rule sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claimable {
    /// Whose channel.
    pub payer: Address,
    /// What a claim would bring.
    pub amount: Wei,
    /// What has been waited for so far, in wei-seconds: [`Waiting::until`].
    pub wei_seconds: u128,
    /// By when it should be claimed: when a requested close can be final, or now where waiting is a risk for another reason;
    /// 0 where there is no hurry.
    pub due: ChainTime,
}

/// Why it claims, or does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimReason {
    /// Nothing can be claimed.
    Nothing,
    /// All of it together is not worth the gas.
    TooSmall,
    /// Waiting has not cost as much as claiming would.
    Waiting,
    /// Where it is not known what gas costs: the sum is below the threshold.
    BelowThreshold,
    /// A payer has asked to close, or waiting is a risk for another reason.
    Due,
    /// The sum has reached the threshold.
    Threshold,
    /// Waiting has cost as much as claiming does.
    Waited,
}

/// What the rule says of a payee's channels at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimPlan {
    /// Whose vouchers to claim now, all in one claim; none where it is better to wait.
    pub payers: Vec<Address>,
    /// Why.
    pub reason: ClaimReason,
    /// What all channels would bring.
    pub claimable_wei: Wei,
    /// What claiming all that are worth their gas would cost, in GNT, or all of them where none is; 0 where that is not
    /// known.
    pub cost_wei: Wei,
    /// What waiting has cost up to now, all channels together.
    pub waited_wei: Wei,
    /// What gas costs in GNT, where that is known.
    pub gas: GasWorth,
    /// The sum at which it claims whatever waiting has cost.
    pub threshold_wei: Wei,
    /// By when the first of the channels to claim should be; 0 where there is no hurry.
    pub due: ChainTime,
}

impl ClaimRule {
    /// What so many wei-seconds have cost, rounded down.
    pub fn waiting_cost_rounded_down(&self, wei_seconds: u128) -> Wei {
        let ppm = u128::from(self.waiting_ppm_per_day);
        let (days, rest) = (wei_seconds / DAY_S_TIMES_MILLION, wei_seconds % DAY_S_TIMES_MILLION);
        let cost = days.saturating_mul(ppm).saturating_add(rest.saturating_mul(ppm) / DAY_S_TIMES_MILLION);
        Wei(cost).min(Wei::MAX)
    }

    /// Whom to claim now.
    pub fn plan(&self, channels: &[Claimable], gas: GasWorth) -> ClaimPlan {
        let (base, each) = (gas.cost(CLAIM_GAS_BASE), gas.cost(CLAIM_GAS_EACH));
        let cost_of = |count: usize| {
            let all = each.checked_mul(u64::try_from(count).unwrap_or(u64::MAX)).unwrap_or(Wei::MAX);
            if count == 0 { Wei::ZERO } else { base.saturating_add(all) }
        };
        let waited = |channel: &Claimable| self.waiting_cost_rounded_down(channel.wei_seconds);
        let is_due = |channel: &Claimable| channel.due.0 != 0;
        // Its waiting has paid for its own gas.
        let is_ripe = |channel: &Claimable| gas != GasWorth::Unknown && waited(channel) >= each;

        let worthwhile: Vec<&Claimable> = channels.iter().filter(|channel| channel.amount > each).collect();
        let hurried: Vec<&Claimable> = worthwhile.iter().copied().filter(|channel| is_due(channel)).collect();
        let claimable_wei = sum(channels.iter().map(|channel| channel.amount));
        let worth = sum(worthwhile.iter().map(|channel| channel.amount));
        // Where none is worth it, what it would cost all the same: it is what is waited for.
        let cost_wei = cost_of(if worthwhile.is_empty() { channels.len() } else { worthwhile.len() });
        let ripe = worthwhile.iter().filter(|channel| is_ripe(channel));
        // What is over when each has paid its own gas, to pay for the transaction.
        let over = sum(ripe.map(|channel| waited(channel).saturating_sub(each)));

        let reason = if claimable_wei == Wei::ZERO {
            ClaimReason::Nothing
        } else if worth <= cost_wei {
            ClaimReason::TooSmall
        } else if worth >= self.threshold {
            ClaimReason::Threshold
        } else if sum(hurried.iter().map(|channel| channel.amount)) > cost_of(hurried.len()) {
            ClaimReason::Due
        } else if gas == GasWorth::Unknown {
            ClaimReason::BelowThreshold
        } else if over > Wei::ZERO && over >= base {
            ClaimReason::Waited
        } else {
            ClaimReason::Waiting
        };
        let is_claimed = |channel: &Claimable| match reason {
            ClaimReason::Threshold => true,
            ClaimReason::Due | ClaimReason::Waited => is_due(channel) || is_ripe(channel),
            ClaimReason::Nothing | ClaimReason::TooSmall | ClaimReason::Waiting | ClaimReason::BelowThreshold => false,
        };
        let payers: Vec<Address> = worthwhile.iter().filter(|c| is_claimed(c)).map(|c| c.payer).collect();
        let due = hurried.iter().map(|channel| channel.due).min().filter(|_| !payers.is_empty());
        ClaimPlan {
            payers,
            reason,
            claimable_wei,
            cost_wei,
            waited_wei: sum(channels.iter().map(waited)),
            gas,
            threshold_wei: self.threshold,
            due: due.unwrap_or_default(),
        }
    }
}

fn sum(amounts: impl Iterator<Item = Wei>) -> Wei {
    amounts.fold(Wei::ZERO, Wei::saturating_add)
}
