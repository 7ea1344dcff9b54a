//! What each machine does not take, and what it says then.

use super::world::{CHAIN, Fixed, PROFILE, header, keys, provider_settings, requestor_settings};
use crate::provider::REPORT_PAUSE_MS;
use crate::*;
use golem_protocol::*;

pub(super) const NOW: Now = Now { local: LocalTime(1_000_000), chain: ChainTime(5_000) };
pub(super) const VALUE: Wei = Wei(6_000);

/// Answers every save at once, until nothing is left to save.
pub(super) fn provide(provider: &mut Provider, policy: &mut Fixed, input: ProviderInput) -> Vec<ProviderEffect> {
    provide_at(provider, policy, input, NOW)
}

pub(super) fn provide_at(
    provider: &mut Provider,
    policy: &mut Fixed,
    input: ProviderInput,
    now: Now,
) -> Vec<ProviderEffect> {
    let mut done = Vec::new();
    let mut effects = provider.apply(policy, input, now);
    while let Some(effect) = effects.pop() {
        match effect {
            ProviderEffect::Persist { id, .. } => {
                effects.extend(provider.apply(policy, ProviderInput::Persisted(id), now));
            }
            ProviderEffect::WakeAt(_) => {}
            other => done.push(other),
        }
    }
    assert_eq!(provider.check_invariants(), vec![]);
    done.reverse();
    done
}

pub(super) fn request(
    requestor: &mut Requestor,
    policy: &mut dyn RequestorPolicy,
    input: RequestorInput,
    now: Now,
) -> Vec<RequestorEffect> {
    let mut done = Vec::new();
    let mut effects = requestor.apply(policy, input, now);
    while let Some(effect) = effects.pop() {
        match effect {
            RequestorEffect::Persist { id, .. } => {
                effects.extend(requestor.apply(policy, RequestorInput::Persisted(id), now));
            }
            RequestorEffect::WakeAt(_) => {}
            other => done.push(other),
        }
    }
    assert_eq!(requestor.check_invariants(), vec![]);
    done.reverse();
    done
}

pub(super) struct Side {
    pub requestor: Keys,
    pub provider: Provider,
    pub policy: Fixed,
    pub header: Authentic<Header>,
    pub offer: Authentic<Offer>,
}

pub(super) fn from(keys: &Keys, message: Message) -> ProviderInput {
    ProviderInput::Message { from: NodeId(keys.identity.address()), message: Box::new(message) }
}

/// A provider that has heard a header, offered, and knows an open channel with this deposit.
pub(super) fn side(deposit: u128) -> Side {
    side_of(deposit, |_| {})
}

/// The same, with another header.
pub(super) fn side_of(deposit: u128, change: impl FnOnce(&mut Header)) -> Side {
    let (requestor, own) = (keys(1), keys(2));
    let mut provider = Provider::new(provider_settings(&own), own);
    let mut policy = Fixed::default();
    let mut header = header(&requestor, 10, Pricing::Tender);
    change(&mut header);
    let header = sign(header, &CHAIN, &*requestor.identity).unwrap();
    let effects = provide(&mut provider, &mut policy, ProviderInput::Header(Box::new(header.clone())));
    let offer = effects
        .iter()
        .find_map(|effect| match effect {
            ProviderEffect::Send { message: Message::Offer(offer), .. } => Some(offer.clone()),
            _ => None,
        })
        .expect("an offer");
    let offer = offer.authenticate(&CHAIN).unwrap();
    let mut side = Side { requestor, provider, policy, header, offer };
    side.channel(ChannelState { deposit: Wei(deposit), epoch: 1, ..ChannelState::default() });
    side
}

impl Side {
    pub fn channel(&mut self, state: ChannelState) -> Vec<ProviderEffect> {
        let channel = ChannelId { payer: self.requestor.payment.address(), payee: self.offer.payee };
        provide(&mut self.provider, &mut self.policy, ProviderInput::Channel { channel, state })
    }

    pub fn agreement(&self, count: u32, change: impl FnOnce(&mut Agreement)) -> Authentic<Agreement> {
        let subtask = |index| AgreedSubtask { index, input: ContentHash(B256::with_last_byte(9)), value: VALUE };
        let mut agreement = Agreement {
            header: self.header.digest(),
            offer: self.offer.digest(),
            requestor: self.header.requestor,
            provider: self.offer.provider,
            payer: self.requestor.payment.address(),
            payee: self.offer.payee,
            epoch: 1,
            batch: 0,
            price: self.offer.price,
            fuel_rate: self.offer.performance,
            subtask_timeout_s: 60,
            deadline: ChainTime(6_000),
            app: self.header.app,
            subtasks: (0..count).map(subtask).collect(),
        };
        change(&mut agreement);
        sign(agreement, &CHAIN, &*self.requestor.identity).unwrap()
    }

    pub fn propose(&mut self, agreement: &Authentic<Agreement>) -> Vec<ProviderEffect> {
        let message = Message::Agreement(agreement.signed().clone());
        provide(&mut self.provider, &mut self.policy, from(&self.requestor, message))
    }

    pub fn compute(&mut self, agreement: &Authentic<Agreement>, index: u32) -> Option<Authentic<Report>> {
        let outcome = SubtaskOutcome::Completed {
            output: ContentHash(B256::ZERO),
            output_bytes: ByteCount(1),
            fuel: Fuel(1),
            time_ms: 1,
        };
        let input = ProviderInput::Computed { agreement: agreement.digest(), index, outcome };
        let effects = provide(&mut self.provider, &mut self.policy, input);
        effects.into_iter().find_map(|effect| match effect {
            ProviderEffect::Send { message: Message::Report(report), .. } => Some(report.authenticate(&CHAIN).unwrap()),
            _ => None,
        })
    }

    pub fn verdict(&self, report: &Authentic<Report>, cumulative: u128, change: impl FnOnce(&mut Voucher)) -> Message {
        let verdict = Verdict {
            agreement: report.agreement,
            report: report.digest(),
            requestor: self.header.requestor,
            decisions: report.results.iter().map(|result| (result.index, Decision::Accepted)).collect(),
        };
        let mut voucher = Voucher { payee: self.offer.payee, epoch: 1, cumulative: Wei(cumulative) };
        change(&mut voucher);
        Message::Verdict {
            verdict: sign(verdict, &CHAIN, &*self.requestor.identity).unwrap().into_signed(),
            voucher: Some(sign(voucher, &CHAIN, &*self.requestor.payment).unwrap().into_signed()),
            author_voucher: None,
        }
    }

    pub fn earned(&self) -> Wei {
        self.provider.ledgers()[0].earned()
    }
}

pub(super) fn refusal(effects: &[ProviderEffect]) -> Option<RefusalReason> {
    effects.iter().find_map(|effect| match effect {
        ProviderEffect::Send { message: Message::Refusal(refusal), .. } => Some(refusal.reason.clone()),
        _ => None,
    })
}

pub(super) fn computes(effects: &[ProviderEffect]) -> usize {
    effects.iter().filter(|effect| matches!(effect, ProviderEffect::Compute(_))).count()
}

fn unpaid(effects: &[ProviderEffect]) -> Option<String> {
    effects.iter().find_map(|effect| match effect {
        ProviderEffect::Happened(ProviderEvent::Unpaid { detail, .. }) => Some(detail.clone()),
        _ => None,
    })
}

#[test]
fn agrees_to_what_was_offered_and_starts_as_many_as_it_has_slots() {
    let mut side = side(100_000);
    let agreement = side.agreement(5, |_| {});
    let effects = side.propose(&agreement);
    assert!(effects.iter().any(|e| matches!(e, ProviderEffect::Send { message: Message::Countersignature(_), .. })));
    assert_eq!(computes(&effects), 2);
    // The same again: the countersignature again, and no more work.
    let effects = side.propose(&agreement);
    assert!(effects.iter().any(|e| matches!(e, ProviderEffect::Send { message: Message::Countersignature(_), .. })));
    assert_eq!(computes(&effects), 0);
}

#[test]
fn refuses_an_agreement_that_is_not_what_was_offered() {
    type Change = fn(&mut Agreement);
    let changes: [(&str, Change); 8] = [
        ("price", |a| a.price = Wei(1)),
        ("value", |a| a.subtasks[0].value = Wei(5_999)),
        ("payee", |a| a.payee = Address::repeat_byte(3)),
        ("payer", |a| a.payer = Address::repeat_byte(3)),
        ("fuel_rate", |a| a.fuel_rate = 1_001),
        ("subtask_timeout", |a| a.subtask_timeout_s = 30),
        ("app", |a| a.app = AppFee { author: Address::repeat_byte(3), fee: Wei(1) }),
        ("provider", |a| a.provider = NodeId(Address::repeat_byte(3))),
    ];
    for (name, change) in changes {
        let mut side = side(100_000);
        let agreement = side.agreement(2, change);
        let effects = side.propose(&agreement);
        match refusal(&effects) {
            Some(RefusalReason::NotAsOffered { field, .. }) => assert_eq!(field, name),
            other => panic!("{name}: {other:?}"),
        }
        assert_eq!(computes(&effects), 0);
    }
}

#[test]
fn refuses_an_agreement_of_another_sender_signer_or_task() {
    let mut side = side(100_000);
    let other = keys(3);
    let agreement = side.agreement(1, |_| {});
    let effects =
        provide(&mut side.provider, &mut side.policy, from(&other, Message::Agreement(agreement.signed().clone())));
    assert!(matches!(refusal(&effects), Some(RefusalReason::Malformed(_))), "{effects:?}");

    let mut forged = agreement.signed().clone();
    forged.document.price = Wei(1);
    let effects = provide(&mut side.provider, &mut side.policy, from(&side.requestor, Message::Agreement(forged)));
    assert!(matches!(refusal(&effects), Some(RefusalReason::Malformed(_))), "{effects:?}");

    let unknown = side.agreement(1, |a| a.header = B256::repeat_byte(1));
    assert!(matches!(refusal(&side.propose(&unknown)), Some(RefusalReason::UnknownHeader(_))));
    let beyond = side.agreement(1, |a| a.subtasks[0].index = 10);
    assert!(matches!(refusal(&side.propose(&beyond)), Some(RefusalReason::Malformed(_))));
}

#[test]
fn asks_the_chain_before_it_refuses_a_channel_and_then_says_why() {
    let closing = ChannelState { deposit: Wei(100_000), epoch: 1, close_at: ChainTime(5_500), ..Default::default() };
    let small = ChannelState { deposit: Wei(VALUE.0 * 2 - 1), epoch: 1, ..Default::default() };
    let reopened = ChannelState { deposit: Wei(100_000), epoch: 2, ..Default::default() };
    for (state, says) in [(closing, "closed at"), (small, "deposit has"), (reopened, "epoch 1")] {
        let mut side = side(0);
        let agreement = side.agreement(2, |_| {});
        let effects = side.propose(&agreement);
        assert!(effects.iter().any(|e| matches!(e, ProviderEffect::ReadChannel(_))), "{effects:?}");
        assert_eq!(refusal(&effects), None);
        let effects = side.channel(state);
        match refusal(&effects) {
            Some(RefusalReason::Channel(text)) => assert!(text.contains(says), "{text}"),
            other => panic!("{says}: {other:?}"),
        }
        assert_eq!(computes(&effects), 0);
    }
    let mut side = side(0);
    let agreement = side.agreement(2, |_| {});
    side.propose(&agreement);
    let effects = side.channel(ChannelState { deposit: Wei(VALUE.0 * 2), epoch: 1, ..Default::default() });
    assert_eq!(computes(&effects), 2);
}

#[test]
fn counts_what_is_agreed_already_against_the_deposit() {
    let mut side = side(VALUE.0 * 3);
    let first = side.agreement(2, |_| {});
    assert_eq!(computes(&side.propose(&first)), 2);
    let second = side.agreement(2, |a| a.batch = 1);
    let effects = side.propose(&second);
    assert!(effects.iter().any(|e| matches!(e, ProviderEffect::ReadChannel(_))), "the deposit is for 3, not 4");
}

#[test]
fn stops_at_the_credit_it_grants_and_claims_what_it_holds() {
    let mut side = side(100_000);
    side.policy.credit = Wei(VALUE.0 * 3);
    let agreement = side.agreement(6, |_| {});
    assert_eq!(computes(&side.propose(&agreement)), 2);
    let report = side.compute(&agreement, 0).expect("a report");
    // Nothing comes back: one more fits the credit, then no more.
    assert!(side.compute(&agreement, 1).is_none() && side.compute(&agreement, 2).is_none(), "they wait a little");
    assert_eq!(side.provider.running(), 0, "three are done and unpaid: the credit is used up");
    let tick_after = |side: &mut Side, ms| {
        let then = Now { local: LocalTime(NOW.local.0 + ms), chain: NOW.chain };
        provide_at(&mut side.provider, &mut side.policy, ProviderInput::Tick, then)
    };
    let effects = tick_after(&mut side, REPORT_PAUSE_MS);
    let reported = effects.iter().find_map(|effect| match effect {
        ProviderEffect::Send { message: Message::Report(report), .. } => Some(&report.document.results),
        _ => None,
    });
    let indices = reported.map(|results| results.iter().map(|result| result.index).collect());
    assert_eq!(indices, Some(vec![1, 2]), "{effects:?}");
    let effects = tick_after(&mut side, 600_001);
    assert!(effects.iter().any(|e| matches!(e, ProviderEffect::Claim { .. })), "{effects:?}");
    // It pays after all: work goes on.
    let verdict = side.verdict(&report, VALUE.0, |_| {});
    let effects = provide(&mut side.provider, &mut side.policy, from(&side.requestor, verdict));
    assert_eq!(computes(&effects), 1);
    assert_eq!(side.earned(), VALUE);
}

#[test]
fn wakes_to_give_up_what_is_held_back_until_its_time_is_over() {
    let mut side = side(100_000);
    side.policy.credit = Wei(VALUE.0 - 1);
    let agreement = side.agreement(1, |_| {});
    let message = from(&side.requestor, Message::Agreement(agreement.signed().clone()));
    let saving = side.provider.apply(&mut side.policy, message, NOW).into_iter().find_map(|effect| match effect {
        ProviderEffect::Persist { id, .. } => Some(id),
        _ => None,
    });
    // Nobody sends anything any more.
    let persisted = ProviderInput::Persisted(saving.expect("a save"));
    let effects = side.provider.apply(&mut side.policy, persisted, NOW);
    assert_eq!(computes(&effects), 0);
    let wake = effects.iter().find_map(|effect| match effect {
        ProviderEffect::WakeAt(at) => Some(*at),
        _ => None,
    });
    let then = Now { local: wake.expect("a wake"), chain: ChainTime(agreement.deadline.0 + 1) };
    side.provider.apply(&mut side.policy, ProviderInput::Tick, then);
    assert_eq!(side.provider.open_deals(), 0);
}

#[test]
fn takes_no_voucher_it_could_not_claim_and_says_what_is_owed() {
    type Change = fn(&mut Voucher);
    let changes: [(&str, u128, Change); 3] = [
        ("epoch 2", VALUE.0, |v| v.epoch = 2),
        ("deposit is", 100_001, |_| {}),
        ("channel", VALUE.0, |v| v.payee = Address::repeat_byte(9)),
    ];
    for (says, cumulative, change) in changes {
        let mut side = side(100_000);
        let agreement = side.agreement(1, |_| {});
        side.propose(&agreement);
        let report = side.compute(&agreement, 0).unwrap();
        let verdict = side.verdict(&report, cumulative, change);
        let effects = provide(&mut side.provider, &mut side.policy, from(&side.requestor, verdict));
        assert!(unpaid(&effects).is_some_and(|text| text.contains(says)), "{says}: {effects:?}");
        assert_eq!(side.earned(), Wei::ZERO);
        assert_eq!(side.provider.owed()[0].1, VALUE, "it stays owed");
        assert_eq!(side.policy.late, vec![side.header.requestor]);
    }
}

#[test]
fn a_claim_by_a_voucher_that_is_still_on_its_way_is_payment_and_no_debt_afterwards() {
    let mut side = side(100_000);
    let agreement = side.agreement(1, |_| {});
    side.propose(&agreement);
    let report = side.compute(&agreement, 0).unwrap();
    // Anybody may claim for a payee: the chain pays before the voucher is here.
    let channel = agreement.channel();
    let state = ChannelState { deposit: Wei(100_000), epoch: 1, claimed: VALUE, ..ChannelState::default() };
    provide(&mut side.provider, &mut side.policy, ProviderInput::Channel { channel, state });
    let verdict = side.verdict(&report, VALUE.0, |_| {});
    let effects = provide(&mut side.provider, &mut side.policy, from(&side.requestor, verdict));
    assert_eq!(unpaid(&effects), None);
    assert_eq!((side.earned(), side.provider.owed()[0].1), (VALUE, Wei::ZERO));
}

#[test]
fn keeps_the_better_voucher_and_counts_a_short_one_as_owed() {
    let mut side = side(100_000);
    let agreement = side.agreement(2, |_| {});
    side.propose(&agreement);
    let report = side.compute(&agreement, 0).unwrap();
    let good = side.verdict(&report, VALUE.0, |_| {});
    provide(&mut side.provider, &mut side.policy, from(&side.requestor, good.clone()));
    assert_eq!(side.earned(), VALUE);
    // Repeated: nothing changes.
    provide(&mut side.provider, &mut side.policy, from(&side.requestor, good));
    assert_eq!((side.earned(), side.provider.owed()[0].1), (VALUE, Wei::ZERO));
    let report = side.compute(&agreement, 1).unwrap();
    let short = side.verdict(&report, VALUE.0 + 1, |_| {});
    let effects = provide(&mut side.provider, &mut side.policy, from(&side.requestor, short));
    assert!(unpaid(&effects).is_some());
    assert_eq!(side.provider.owed()[0].1, Wei(VALUE.0 - 1));
}

#[test]
fn refuses_headers_of_another_profile_or_too_large() {
    let mut side = side(0);
    for change in [(|h: &mut Header| h.profile = B256::ZERO) as fn(&mut Header), |h| h.memory_max = ByteCount(1 << 40)]
    {
        let mut other = header(&side.requestor, 1, Pricing::Tender);
        other.nonce = 77;
        assert_eq!(other.profile, PROFILE);
        change(&mut other);
        let other = sign(other, &CHAIN, &*side.requestor.identity).unwrap();
        let again = other.clone();
        let effects = provide(&mut side.provider, &mut side.policy, ProviderInput::Header(Box::new(other)));
        assert!(
            matches!(refusal(&effects), Some(RefusalReason::OtherProfile { .. } | RefusalReason::TooLarge { .. })),
            "{effects:?}"
        );
        // Heard again at once: the same answer is not given twice.
        let effects = provide(&mut side.provider, &mut side.policy, ProviderInput::Header(Box::new(again)));
        assert_eq!(refusal(&effects), None);
    }
}

#[test]
fn claims_at_once_when_the_payer_wants_to_close() {
    let mut side = side(100_000);
    let agreement = side.agreement(1, |_| {});
    side.propose(&agreement);
    let report = side.compute(&agreement, 0).unwrap();
    let verdict = side.verdict(&report, VALUE.0, |_| {});
    provide(&mut side.provider, &mut side.policy, from(&side.requestor, verdict));
    let closing = ChannelState { deposit: Wei(100_000), epoch: 1, close_at: ChainTime(9_000), ..Default::default() };
    let effects = side.channel(closing);
    assert!(effects.iter().any(|e| matches!(e, ProviderEffect::Claim { .. })), "{effects:?}");
}

#[test]
fn a_drained_provider_cancels_what_it_has_not_begun() {
    let mut side = side(100_000);
    side.policy.credit = Wei(VALUE.0 - 1);
    let agreement = side.agreement(2, |_| {});
    assert_eq!(computes(&side.propose(&agreement)), 0);
    let effects = provide(&mut side.provider, &mut side.policy, ProviderInput::Drain);
    assert!(effects.iter().any(|e| matches!(e, ProviderEffect::Send { message: Message::Cancel(_), .. })));
    assert!(side.provider.is_idle());
}

pub(super) fn started() -> (Requestor, Fixed, B256) {
    started_with(Wei(1_000_000), AppFee::NONE)
}

pub(super) fn started_with(budget: Wei, app: AppFee) -> (Requestor, Fixed, B256) {
    started_with_checks(budget, app, Checks::recheck(0))
}

pub(super) fn started_with_checks(budget: Wei, app: AppFee, checks: Checks) -> (Requestor, Fixed, B256) {
    started_with_subtasks(4, budget, app, checks)
}

fn started_with_subtasks(subtasks: u32, budget: Wei, app: AppFee, checks: Checks) -> (Requestor, Fixed, B256) {
    let own = keys(1);
    let order = TaskOrder {
        header: Header { app, ..header(&own, subtasks, Pricing::Tender) },
        inputs: vec![ContentHash(B256::with_last_byte(1)); subtasks as usize],
        budget,
        offer_window_ms: 0,
        checks,
    };
    let digest = order.header.digest(&CHAIN);
    let mut requestor = Requestor::new(requestor_settings(), own);
    let mut policy = Fixed::default();
    request(&mut requestor, &mut policy, RequestorInput::Start(Box::new(order)), NOW);
    (requestor, policy, digest)
}

pub(super) fn offer(header: B256, n: u8, change: impl FnOnce(&mut Offer)) -> RequestorInput {
    let keys = keys(n);
    let mut offer = Offer {
        header,
        provider: NodeId(keys.identity.address()),
        payee: keys.payment.address(),
        price: Wei(360_000),
        performance: 1_000,
        slots: 2,
        expires: ChainTime(9_000),
    };
    change(&mut offer);
    let offer = sign(offer, &CHAIN, &*keys.identity).unwrap().into_signed();
    let from = NodeId(keys.identity.address());
    RequestorInput::Message { from, message: Box::new(Message::Offer(offer)) }
}

pub(super) fn refused(effects: &[RequestorEffect]) -> Option<RefusalReason> {
    effects.iter().find_map(|effect| match effect {
        RequestorEffect::Send { message: Message::Refusal(refusal), .. } => Some(refusal.reason.clone()),
        _ => None,
    })
}

#[test]
fn refuses_offers_above_the_maximum_expired_unknown_or_of_another() {
    let (mut requestor, mut policy, digest) = started();
    let mut say = |input| refused(&request(&mut requestor, &mut policy, input, NOW));
    let dear = say(offer(digest, 2, |o| o.price = Wei(3_600_001)));
    assert!(matches!(dear, Some(RefusalReason::PriceAboveMax { .. })), "{dear:?}");
    let old = say(offer(digest, 2, |o| o.expires = ChainTime(4_999)));
    assert!(matches!(old, Some(RefusalReason::Expired { .. })), "{old:?}");
    let unknown = say(offer(B256::ZERO, 2, |_| {}));
    assert!(matches!(unknown, Some(RefusalReason::UnknownHeader(_))), "{unknown:?}");
    let RequestorInput::Message { message, .. } = offer(digest, 2, |_| {}) else { panic!("an offer") };
    let other = say(RequestorInput::Message { from: NodeId(keys(3).identity.address()), message });
    assert!(matches!(other, Some(RefusalReason::Malformed(_))), "{other:?}");
    let own = say(offer(digest, 2, |o| o.payee = keys(1).payment.address()));
    assert!(matches!(own, Some(RefusalReason::Malformed(_))), "{own:?}");
}

/// Takes no offer for now.
struct Waits(Fixed);

impl RequestorPolicy for Waits {
    fn admit(&mut self, header: &Header, offer: &Offer, now: Now) -> Result<(), RefusalReason> {
        self.0.admit(header, offer, now)
    }
    fn rank(&mut self, _: &Header, _: &[&Offer], _: Now) -> Vec<usize> {
        vec![]
    }
    fn rechecks(&self, result: &Reported) -> bool {
        self.0.rechecks(result)
    }
    fn knows(&self, provider: NodeId) -> bool {
        self.0.knows(provider)
    }
    fn draw(&mut self) -> u64 {
        self.0.draw()
    }
    fn mixes_in(&mut self, header: B256) -> Option<u64> {
        self.0.mixes_in(header)
    }
    fn hedges(&self, header: &Header, straggler: &Straggler, offer: &Offer) -> bool {
        self.0.hedges(header, straggler, offer)
    }
    fn note(&mut self, fact: &RequestorFact, now: Now) {
        RequestorPolicy::note(&mut self.0, fact, now);
    }
    fn records(&mut self) -> Vec<Record> {
        vec![]
    }
}

#[test]
fn says_once_that_it_waits_for_better_offers() {
    let (mut requestor, policy, digest) = started();
    let mut policy = Waits(policy);
    let mut said = |input| -> Vec<u32> {
        let waits = |effect| match effect {
            RequestorEffect::Happened(RequestorEvent::OffersWait { header, offers }) if header == digest => {
                Some(offers)
            }
            _ => None,
        };
        request(&mut requestor, &mut policy, input, NOW).into_iter().filter_map(waits).collect()
    };
    assert_eq!(said(RequestorInput::Tick), [0u32; 0], "no offer is no reason to wait for a better one");
    assert_eq!(said(offer(digest, 2, |_| {})), [1]);
    assert_eq!(said(RequestorInput::Tick), [0u32; 0]);
}

/// A batch that its provider has not answered.
pub(super) fn proposed() -> (Requestor, Fixed, Authentic<Agreement>) {
    proposed_by(Fixed::default(), 2, 4)
}

fn proposed_by(mut policy: Fixed, slots: u16, subtasks: u32) -> (Requestor, Fixed, Authentic<Agreement>) {
    let checks = Checks::recheck(0);
    let (mut requestor, _, digest) = started_with_subtasks(subtasks, Wei(1_000_000), AppFee::NONE, checks);
    let effects = request(&mut requestor, &mut policy, offer(digest, 2, |offer| offer.slots = slots), NOW);
    assert!(effects.iter().any(|e| matches!(e, RequestorEffect::ReadChannel(_))), "{effects:?}");
    let channel = ChannelId { payer: keys(1).payment.address(), payee: keys(2).payment.address() };
    let state = ChannelState::default();
    let effects = request(&mut requestor, &mut policy, RequestorInput::Channel { channel, state }, NOW);
    let (deposit, epoch) = effects
        .iter()
        .find_map(|effect| match effect {
            RequestorEffect::Fund { deposit, epoch, .. } => Some((*deposit, *epoch)),
            _ => None,
        })
        .expect("funding");
    let state = ChannelState { deposit, epoch, ..state };
    let effects = request(&mut requestor, &mut policy, RequestorInput::Channel { channel, state }, NOW);
    let agreement = proposal(&effects).expect("an agreement");
    (requestor, policy, agreement)
}

pub(super) fn proposal(effects: &[RequestorEffect]) -> Option<Authentic<Agreement>> {
    effects.iter().find_map(|effect| match effect {
        RequestorEffect::Send { message: Message::Agreement(agreement), .. } => {
            agreement.clone().authenticate(&CHAIN).ok()
        }
        _ => None,
    })
}

/// A requestor with an agreement that one provider countersigned.
pub(super) fn agreed() -> (Requestor, Fixed, Authentic<Agreement>) {
    agreed_by(Fixed::default(), 2)
}

/// The same by a policy, with a provider of so many slots; the task has four subtasks.
pub(super) fn agreed_by(policy: Fixed, slots: u16) -> (Requestor, Fixed, Authentic<Agreement>) {
    agreed_over(policy, slots, 4)
}

/// The same of a task of so many subtasks.
pub(super) fn agreed_over(policy: Fixed, slots: u16, subtasks: u32) -> (Requestor, Fixed, Authentic<Agreement>) {
    let (mut requestor, mut policy, agreement) = proposed_by(policy, slots, subtasks);
    let signature = keys(2).identity.sign_digest(&agreement.digest()).unwrap();
    let message = Message::Countersignature(Countersignature { agreement: agreement.digest(), signature });
    let from = NodeId(keys(2).identity.address());
    request(&mut requestor, &mut policy, RequestorInput::Message { from, message: Box::new(message) }, NOW);
    (requestor, policy, agreement)
}

pub(super) fn report(agreement: &Authentic<Agreement>, indices: &[u32]) -> RequestorInput {
    let outcome = SubtaskOutcome::Completed {
        output: ContentHash(B256::ZERO),
        output_bytes: ByteCount(1),
        fuel: Fuel(1),
        time_ms: 1,
    };
    let results = indices.iter().map(|index| SubtaskResult { index: *index, outcome: outcome.clone() }).collect();
    let report = Report { agreement: agreement.digest(), provider: agreement.provider, results };
    let report = sign(report, &CHAIN, &*keys(2).identity).unwrap().into_signed();
    RequestorInput::Message { from: agreement.provider, message: Box::new(Message::Report(report)) }
}

fn verdict(effects: &[RequestorEffect]) -> Option<(Verdict, Wei)> {
    effects.iter().find_map(|effect| match effect {
        RequestorEffect::Send { message: Message::Verdict { verdict, voucher, .. }, .. } => {
            let paid = voucher.as_ref().map(|voucher| voucher.document.cumulative).unwrap_or_default();
            Some((verdict.document.clone(), paid))
        }
        _ => None,
    })
}

#[test]
fn pays_once_for_a_report_that_comes_twice_and_nothing_for_what_was_not_agreed() {
    let (mut requestor, mut policy, agreement) = agreed();
    let digest = agreement.digest();
    let index = agreement.subtasks[0].index;
    let effects = request(&mut requestor, &mut policy, report(&agreement, &[index, 99]), NOW);
    assert!(verdict(&effects).is_none(), "not before it is fetched");
    let fetched = RequestorInput::Fetched { agreement: digest, index, complete: Ok(()) };
    let effects = request(&mut requestor, &mut policy, fetched, NOW);
    let (first, paid) = verdict(&effects).expect("a verdict");
    assert_eq!(first.decisions, vec![(index, Decision::Accepted), (99, Decision::NotAgreed)]);
    assert_eq!(paid, VALUE);
    let effects = request(&mut requestor, &mut policy, report(&agreement, &[index, 99]), NOW);
    assert_eq!(verdict(&effects), Some((first, VALUE)), "the same verdict, and no more money");
    let effects = request(&mut requestor, &mut policy, report(&agreement, &[index]), NOW);
    assert_eq!(verdict(&effects).expect("a verdict").0.decisions, vec![(index, Decision::NotAgreed)]);
    assert_eq!(requestor.tasks()[0].spent, VALUE);
}

#[test]
fn pays_nothing_for_what_cannot_be_fetched_or_comes_too_late() {
    let (mut requestor, mut policy, agreement) = agreed();
    let (first, second) = (agreement.subtasks[0].index, agreement.subtasks[1].index);
    request(&mut requestor, &mut policy, report(&agreement, &[first]), NOW);
    let complete = Err("the provider went away".to_string());
    let fetched = RequestorInput::Fetched { agreement: agreement.digest(), index: first, complete };
    let effects = request(&mut requestor, &mut policy, fetched, NOW);
    let (missing, paid) = verdict(&effects).expect("a verdict");
    assert_eq!((missing.decisions, paid), (vec![(first, Decision::OutputMissing)], Wei::ZERO));

    let later = Now { local: LocalTime(NOW.local.0 + 60_000 + 20_001), chain: NOW.chain };
    request(&mut requestor, &mut policy, RequestorInput::Tick, later);
    let effects = request(&mut requestor, &mut policy, report(&agreement, &[second]), later);
    let (late, paid) = verdict(&effects).expect("a verdict");
    assert_eq!((late.decisions, paid), (vec![(second, Decision::Late)], Wei::ZERO));
    assert_eq!(requestor.tasks()[0].spent, Wei::ZERO);
}

#[test]
fn recovers_with_what_it_signed_and_refuses_records_of_another_key() {
    let (mut requestor, mut policy, _) = started();
    let effects = requestor.apply(&mut policy, RequestorInput::Tick, NOW);
    drop(effects);
    let order = TaskOrder {
        header: header(&keys(1), 1, Pricing::Tender),
        inputs: vec![ContentHash(B256::ZERO)],
        budget: Wei(1),
        offer_window_ms: 0,
        checks: Checks::recheck(0),
    };
    let mut other = Requestor::new(requestor_settings(), keys(1));
    let effects = other.apply(&mut policy, RequestorInput::Start(Box::new(order)), NOW);
    let records = effects
        .into_iter()
        .find_map(|effect| match effect {
            RequestorEffect::Persist { records, .. } => Some(records),
            _ => None,
        })
        .expect("a record");
    let recovered = Requestor::recover(requestor_settings(), keys(1), &records, NOW).expect("recovers");
    assert_eq!(recovered.tasks().len(), 1);
    let elsewhere = RequestorSettings { chain: ChainRef { chain_id: 1, ..CHAIN }, ..requestor_settings() };
    assert!(Requestor::recover(elsewhere, keys(1), &records, NOW).is_err(), "another chain");
    let mut broken = records.clone();
    broken[0].value.as_mut().expect("bytes")[0] = 3;
    let refused = Requestor::recover(requestor_settings(), keys(1), &broken, NOW).err().expect("another version");
    let why = "of task cannot be read: it has version 3, and this golem reads version 2";
    assert!(refused.to_string().ends_with(why), "{refused}");
}
