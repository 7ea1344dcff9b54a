//! A payer, a payee and the contract's twin under random calls, with reorgs that undo any number of them.

use super::{chain, channel, key, payee};
use crate::contract::{Channels, pack_voucher};
use crate::{Accepted, PayeeLedger, PayerLedger};
use golem_protocol::{ChainTime, Signer, Wei, sign};
use proptest::prelude::*;
use std::collections::BTreeMap;

const CLOSE_DELAY_S: u32 = 60;

#[derive(Clone, Debug)]
enum Step {
    Fund(u128),
    Reserve(u128),
    Release(u128),
    /// Pays a share of the reserve, and delivers the voucher or loses it.
    Pay(u128, bool),
    Claim,
    Close,
    RequestClose,
    Finalize,
    Wait(u64),
    PayerSees,
    PayeeSees,
    /// The chain goes back to what it was after so many of its changes.
    Reorg(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1u128..200).prop_map(Step::Fund),
        6 => (1u128..80).prop_map(Step::Reserve),
        1 => (1u128..80).prop_map(Step::Release),
        8 => (1u128..=4, any::<bool>()).prop_map(|(share, delivered)| Step::Pay(share, delivered)),
        2 => Just(Step::Claim),
        1 => Just(Step::Close),
        1 => Just(Step::RequestClose),
        1 => Just(Step::Finalize),
        1 => (1u64..100).prop_map(Step::Wait),
        6 => Just(Step::PayerSees),
        6 => Just(Step::PayeeSees),
        1 => any::<usize>().prop_map(Step::Reorg),
    ]
}

struct World {
    twin: Channels,
    history: Vec<Channels>,
    payer: PayerLedger,
    payee: PayeeLedger,
    now: ChainTime,
    /// By epoch, the most that was ever signed.
    signed: BTreeMap<u32, Wei>,
    /// By epoch, the most that was ever taken as payment.
    accepted: BTreeMap<u32, Wei>,
}

impl World {
    fn new() -> World {
        World {
            twin: Channels::new(chain(), CLOSE_DELAY_S, [(key(1).address(), 100_000u128)].into_iter().collect()),
            history: Vec::new(),
            payer: PayerLedger::new(channel()),
            payee: PayeeLedger::new(channel()),
            now: ChainTime(1000),
            signed: BTreeMap::new(),
            accepted: BTreeMap::new(),
        }
    }

    fn take(&mut self, step: &Step) {
        let before = self.twin.clone();
        match step {
            Step::Fund(amount) => self.twin.fund(key(1).address(), &[(payee(), Wei(*amount))]).unwrap(),
            Step::Reserve(amount) => drop(self.payer.reserve(Wei(*amount))),
            Step::Release(amount) => self.payer.release(Wei(*amount)),
            Step::Pay(share, delivered) => self.pay(*share, *delivered),
            Step::Claim => self.claim(),
            Step::Close => self.close(),
            Step::RequestClose => drop(self.twin.request_close(key(1).address(), payee(), self.now)),
            Step::Finalize => drop(self.twin.finalize(channel(), self.now)),
            Step::Wait(seconds) => self.now = self.now.saturating_add(*seconds),
            Step::PayerSees => self.payer.observe(self.twin.channel(&channel())),
            Step::PayeeSees => self.payee.observe(self.twin.channel(&channel())),
            Step::Reorg(depth) => {
                if !self.history.is_empty() {
                    let depth = depth % self.history.len();
                    self.twin = self.history[self.history.len() - 1 - depth].clone();
                    self.history.truncate(self.history.len() - 1 - depth);
                }
                return;
            }
        }
        if self.twin != before {
            self.history.push(before);
        }
    }

    fn pay(&mut self, share: u128, delivered: bool) {
        let amount = Wei(self.payer.reserved().0 / share);
        let Ok(voucher) = self.payer.pay(amount) else { return };
        let Ok(voucher) = sign(voucher, &chain(), &key(1)) else { return };
        let highest = self.signed.entry(voucher.epoch).or_default();
        assert!(voucher.cumulative >= *highest, "signed below the highest amount");
        *highest = voucher.cumulative;
        if !delivered {
            return;
        }
        let (before, covered) = (self.payee.earned(), self.payee.state().deposit);
        if let Ok(Accepted::Raised(raised)) = self.payee.accept(&voucher, self.now) {
            assert_eq!(self.payee.earned(), before.checked_add(raised).unwrap());
            assert!(self.payee.earned() <= covered, "took a payment above the deposit");
            self.accepted.insert(voucher.epoch, voucher.cumulative);
        }
    }

    fn claim(&mut self) {
        let Some(best) = self.payee.best() else { return };
        let packed = pack_voucher(&best.document, &best.signature);
        let up_to_date = *self.payee.state() == self.twin.channel(&channel());
        let claimable = self.payee.claimable();
        let paid = self.twin.claim_many(payee(), &packed);
        if up_to_date {
            assert_eq!(paid, claimable);
        }
    }

    fn close(&mut self) {
        let Some(best) = self.payee.best() else { return };
        let (amount, epoch) = (best.document.cumulative, best.document.epoch);
        drop(self.twin.close(payee(), key(1).address(), amount, epoch, &best.signature));
    }

    fn check(&self) {
        assert_eq!(self.payer.check_invariants(), vec![]);
        assert_eq!(self.payee.check_invariants(), vec![]);
        assert_eq!(self.twin.check_invariants(), vec![]);
        let state = self.twin.channel(&channel());
        let signed = self.signed.get(&state.epoch).copied().unwrap_or_default();
        assert!(state.claimed <= signed, "{} is claimed and {signed} was ever signed", state.claimed);
        // Whatever was taken as payment in the epoch that is open now is still held.
        let mut payee = self.payee.clone();
        payee.observe(state);
        let accepted = self.accepted.get(&state.epoch).copied().unwrap_or_default();
        assert!(payee.earned() >= accepted, "a voucher was lost");
        let mut payer = self.payer.clone();
        payer.observe(state);
        assert!(payer.signed_in(state.epoch) >= signed, "a signature was forgotten");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn nobody_loses_a_signature_or_a_wei(steps in prop::collection::vec(step(), 1..120)) {
        let mut world = World::new();
        // Fewer openings than are remembered, so that nothing may be forgotten.
        let mut openings = 0;
        for step in &steps {
            let opens = world.twin.channel(&channel()).deposit == Wei::ZERO && matches!(step, Step::Fund(_));
            openings += opens as usize;
            if openings > crate::EPOCHS_KEPT {
                break;
            }
            world.take(step);
            world.check();
        }
    }
}
