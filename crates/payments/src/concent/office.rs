//! Concent's keys, how they change, and how much they have moved today.

use super::ConcentError;
use golem_protocol::limits::CONCENT_KEYS_MAX;
use golem_protocol::{Address, B256, ChainTime, CompactSignature, Wei};
use std::collections::BTreeSet;

/// What the contract counts by in a day, in wei.
const MOVED_UNIT: u128 = 1_000_000_000;
/// A day, in seconds.
const DAY_S: u64 = 86_400;
/// The bytes of one signature.
const SIGNATURE_BYTES: usize = 64;

/// Keys that are to come, from some time on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// The keys, in ascending order.
    pub keys: Vec<Address>,
    /// How many of them will make a ruling.
    pub threshold: u64,
    /// From when on anybody can make them the present ones.
    pub active_at: ChainTime,
}

/// The part of the contract that knows who Concent is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Office {
    pub(super) keys: BTreeSet<Address>,
    pub(super) threshold: u64,
    pub(super) rotation_nonce: u64,
    pub(super) announced: Option<Announced>,
    day: u64,
    /// In units of [`MOVED_UNIT`], each ruling rounded up.
    moved: u128,
}

impl Office {
    pub(super) fn new(keys: &[Address], threshold: u64) -> Result<Office, ConcentError> {
        check_keys(keys, threshold)?;
        let keys = keys.iter().copied().collect();
        Ok(Office { keys, threshold, rotation_nonce: 0, announced: None, day: 0, moved: 0 })
    }

    /// What rulings moved on the day of `now`, in wei.
    pub(super) fn moved(&self, now: ChainTime) -> Result<u128, ConcentError> {
        Ok(if day(now)? == self.day { self.moved.saturating_mul(MOVED_UNIT) } else { 0 })
    }

    /// One key counts once, since each signer must be above the last.
    pub(super) fn check_signatures(&self, digest: &B256, signatures: &[u8]) -> Result<(), ConcentError> {
        let mut count = 0u64;
        let mut last = Address::ZERO;
        for chunk in signatures.chunks_exact(SIGNATURE_BYTES) {
            let Ok(bytes) = chunk.try_into() else { break };
            let Ok(signer) = CompactSignature(bytes).recover(digest) else { break };
            if signer <= last || !self.keys.contains(&signer) {
                break;
            }
            last = signer;
            count = count.saturating_add(1);
        }
        let length = usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(SIGNATURE_BYTES);
        if count < self.threshold || signatures.len() != length {
            return Err(ConcentError::TooFewSignatures { got: count, needed: self.threshold });
        }
        Ok(())
    }

    /// Counts what a ruling moves.
    pub(super) fn count(&mut self, moved: u128, limit: Wei, now: ChainTime) -> Result<(), ConcentError> {
        let before = self.moved(now)?;
        let after = before.checked_div(MOVED_UNIT).unwrap_or_default().saturating_add(moved.div_ceil(MOVED_UNIT));
        if after.saturating_mul(MOVED_UNIT) > limit.0 {
            return Err(ConcentError::DailyLimitReached { moved: before, asked: moved, allowed: limit });
        }
        self.day = day(now)?;
        self.moved = after;
        Ok(())
    }

    pub(super) fn rotate(&mut self, keys: &[Address], threshold: u64, now: ChainTime) -> Result<(), ConcentError> {
        let Some(announced) = &self.announced else { return Err(ConcentError::NotProposed) };
        if announced.keys != keys || announced.threshold != threshold {
            return Err(ConcentError::NotProposed);
        }
        if now < announced.active_at {
            return Err(ConcentError::TooEarly { due: announced.active_at, now });
        }
        self.keys = keys.iter().copied().collect();
        self.threshold = threshold;
        self.announced = None;
        Ok(())
    }
}

pub(super) fn check_keys(keys: &[Address], threshold: u64) -> Result<(), ConcentError> {
    let count = u64::try_from(keys.len()).unwrap_or(u64::MAX);
    let ordered = keys.first() != Some(&Address::ZERO) && keys.is_sorted_by(|one, next| one < next);
    if keys.is_empty() || keys.len() > CONCENT_KEYS_MAX || threshold == 0 || threshold > count || !ordered {
        return Err(ConcentError::BadKeys { keys: keys.len(), threshold });
    }
    Ok(())
}

fn day(now: ChainTime) -> Result<u64, ConcentError> {
    let day = now.0.checked_div(DAY_S).unwrap_or_default();
    if day > u16::MAX as u64 {
        return Err(ConcentError::TooLargeFor { bits: 16, value: day as u128 });
    }
    Ok(day)
}
