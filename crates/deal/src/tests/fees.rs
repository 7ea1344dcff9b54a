//! The author's leg: what a provider demands for the author, and what a requestor holds back and signs.

use super::refusals::*;
use super::world::{CHAIN, Fixed, keys};
use crate::*;
use golem_protocol::*;

const FEE: Wei = Wei(500);

fn author() -> Address {
    keys(7).payment.address()
}

fn app() -> AppFee {
    AppFee { author: author(), fee: FEE }
}

fn open(deposit: u128) -> ChannelState {
    ChannelState { deposit: Wei(deposit), epoch: 1, ..ChannelState::default() }
}

/// A provider whose own channel covers everything, of a task with an author.
fn with_author() -> Side {
    side_of(100_000, |header| header.app = app())
}

impl Side {
    fn author_channel(&mut self, state: ChannelState) -> Vec<ProviderEffect> {
        let channel = ChannelId { payer: self.requestor.payment.address(), payee: author() };
        provide(&mut self.provider, &mut self.policy, ProviderInput::Channel { channel, state })
    }

    /// Agrees to so many subtasks, with the author's channel as it should be.
    fn agreed(&mut self, count: u32) -> Authentic<Agreement> {
        let agreement = self.agreement(count, |_| {});
        self.propose(&agreement);
        let effects = self.author_channel(open(10_000));
        assert_eq!((refusal(&effects), computes(&effects)), (None, count.min(2) as usize));
        agreement
    }

    /// Pays the provider in full, and the author so much.
    fn judge(&mut self, report: &Authentic<Report>, own: u128, for_author: Option<Voucher>) -> Vec<ProviderEffect> {
        let mut message = self.verdict(report, own, |_| {});
        if let Message::Verdict { author_voucher, .. } = &mut message {
            *author_voucher =
                for_author.map(|voucher| sign(voucher, &CHAIN, &*self.requestor.payment).unwrap().into_signed());
        }
        provide(&mut self.provider, &mut self.policy, from(&self.requestor, message))
    }

    fn owed_to_author(&self) -> Wei {
        self.provider.fees_owed().first().map_or(Wei::ZERO, |(_, owed)| *owed)
    }
}

fn voucher(cumulative: u128) -> Option<Voucher> {
    Some(Voucher { payee: author(), epoch: 1, cumulative: Wei(cumulative) })
}

fn fee_unpaid(effects: &[ProviderEffect]) -> Option<Wei> {
    effects.iter().find_map(|effect| match effect {
        ProviderEffect::Happened(ProviderEvent::FeeUnpaid { owed, .. }) => Some(*owed),
        _ => None,
    })
}

fn reads(effects: &[ProviderEffect]) -> Vec<Address> {
    let read = effects.iter().filter_map(|effect| match effect {
        ProviderEffect::ReadChannel(channel) => Some(channel.payee),
        _ => None,
    });
    read.collect()
}

#[test]
fn looks_at_the_authors_channel_and_refuses_where_it_does_not_pay() {
    let closing = ChannelState { close_at: ChainTime(5_500), ..open(10_000) };
    for (state, says) in [(open(0), "not open"), (open(999), "deposit has"), (closing, "closed at")] {
        let mut side = with_author();
        let agreement = side.agreement(2, |_| {});
        let effects = side.propose(&agreement);
        assert_eq!((reads(&effects), refusal(&effects)), (vec![author()], None));
        let effects = side.author_channel(state);
        match refusal(&effects) {
            Some(RefusalReason::Channel(text)) => assert!(text.contains("author") && text.contains(says), "{text}"),
            other => panic!("{says}: {other:?}"),
        }
        assert_eq!(computes(&effects), 0);
    }
    let mut side = with_author();
    let agreement = side.agreement(2, |_| {});
    side.propose(&agreement);
    assert_eq!(computes(&side.author_channel(open(1_000))), 2);
    // Those two take all of it: a third has to wait for more.
    let third = side.agreement(1, |a| (a.batch, a.subtasks[0].index) = (1, 2));
    assert_eq!(reads(&side.propose(&third)), vec![author()]);
}

#[test]
fn waits_for_the_answers_about_both_channels_in_any_order() {
    for own_first in [true, false] {
        let mut side = side_of(0, |header| header.app = app());
        let agreement = side.agreement(2, |_| {});
        assert_eq!(reads(&side.propose(&agreement)).len(), 2);
        let (first, second) = if own_first {
            (side.channel(open(100_000)), side.author_channel(open(1_000)))
        } else {
            (side.author_channel(open(1_000)), side.channel(open(100_000)))
        };
        assert_eq!((refusal(&first), computes(&first)), (None, 0));
        assert_eq!((refusal(&second), computes(&second)), (None, 2));
    }
}

#[test]
fn works_no_more_for_a_requestor_whose_verdict_leaves_the_author_out() {
    let other = Some(Voucher { payee: Address::repeat_byte(9), epoch: 1, cumulative: FEE });
    for (short, owed) in [(None, FEE), (voucher(FEE.0 - 1), Wei(1)), (other, FEE)] {
        let mut side = with_author();
        let agreement = side.agreed(6);
        let report = side.compute(&agreement, 0).unwrap();
        side.compute(&agreement, 1);
        assert_eq!(side.provider.running(), 2, "while no verdict is there");
        let effects = side.judge(&report, VALUE.0, short);
        assert_eq!(fee_unpaid(&effects), Some(owed));
        assert_eq!((side.earned(), side.owed_to_author()), (VALUE, owed));
        side.compute(&agreement, 2);
        assert_eq!(side.provider.running(), 1, "nothing new is begun");
        // Nor is anything agreed, whatever the chain shows.
        let more = side.agreement(1, |a| (a.batch, a.subtasks[0].index) = (1, 7));
        side.propose(&more);
        let effects = side.author_channel(open(10_000));
        assert_eq!(refusal(&effects), Some(RefusalReason::FeeUnpaid { author: author(), owed }));
        // It pays after all.
        let message = side.verdict(&report, VALUE.0, |_| {});
        let Message::Verdict { verdict, voucher, .. } = message else { panic!("a verdict") };
        let full = sign(self::voucher(FEE.0).unwrap(), &CHAIN, &*side.requestor.payment).unwrap().into_signed();
        let message = Message::Verdict { verdict, voucher, author_voucher: Some(full) };
        let effects = provide(&mut side.provider, &mut side.policy, from(&side.requestor, message));
        assert_eq!((side.owed_to_author(), computes(&effects)), (Wei::ZERO, 1));
    }
}

#[test]
fn takes_no_voucher_for_the_author_that_another_signed_or_of_another_epoch() {
    let mut side = with_author();
    let agreement = side.agreed(2);
    let report = side.compute(&agreement, 0).unwrap();
    let mut message = side.verdict(&report, VALUE.0, |_| {});
    let Message::Verdict { author_voucher, .. } = &mut message else { panic!("a verdict") };
    *author_voucher = Some(sign(voucher(FEE.0).unwrap(), &CHAIN, &*keys(9).payment).unwrap().into_signed());
    let effects = provide(&mut side.provider, &mut side.policy, from(&side.requestor, message));
    assert_eq!(fee_unpaid(&effects), Some(FEE));

    let report = side.compute(&agreement, 1).unwrap();
    let elsewhere = voucher(FEE.0 * 2).map(|voucher| Voucher { epoch: 2, ..voucher });
    let effects = side.judge(&report, VALUE.0 * 2, elsewhere);
    assert_eq!(fee_unpaid(&effects), Some(Wei(FEE.0 * 2)));
    // The chain is asked, and does not know of that epoch either.
    assert_eq!(reads(&effects), vec![author()]);
    side.author_channel(open(10_000));
    assert_eq!(side.owed_to_author(), Wei(FEE.0 * 2));
}

#[test]
fn a_voucher_above_the_deposit_known_counts_once_the_chain_shows_the_rest() {
    let mut side = with_author();
    let agreement = side.agreed(2);
    let report = side.compute(&agreement, 0).unwrap();
    // Other providers brought the author much more than this one has seen put in.
    let effects = side.judge(&report, VALUE.0, voucher(10_001));
    assert_eq!((reads(&effects), fee_unpaid(&effects)), (vec![author()], Some(FEE)));
    side.author_channel(open(20_000));
    assert_eq!(side.owed_to_author(), Wei::ZERO);
    let held = side.provider.author_vouchers(author(), Address::ZERO);
    assert_eq!(held.iter().map(|voucher| voucher.document.cumulative).collect::<Vec<_>>(), vec![Wei(10_001)]);
}

#[test]
fn what_others_bring_the_author_pays_for_no_more_than_what_is_open_here() {
    let mut side = with_author();
    let agreement = side.agreed(2);
    let report = side.compute(&agreement, 0).unwrap();
    // Far ahead: the fees of others are in it.
    side.judge(&report, VALUE.0, voucher(5_000));
    let report = side.compute(&agreement, 1).unwrap();
    side.judge(&report, VALUE.0 * 2, voucher(5_000));
    assert_eq!(side.owed_to_author(), Wei::ZERO, "verdicts may overtake each other");
    // The next deal is not paid by that.
    let next = side.agreement(1, |a| (a.batch, a.subtasks[0].index) = (1, 5));
    assert_eq!(computes(&side.propose(&next)), 1);
    let report = side.compute(&next, 5).unwrap();
    assert_eq!(fee_unpaid(&side.judge(&report, VALUE.0 * 3, voucher(5_000))), Some(FEE));
}

#[test]
fn an_author_that_ends_its_channel_holds_up_no_work() {
    let mut side = with_author();
    let agreement = side.agreed(4);
    let report = side.compute(&agreement, 0).unwrap();
    side.author_channel(open(0));
    // There is no channel any more that a voucher could be good for.
    side.judge(&report, VALUE.0, voucher(FEE.0));
    side.compute(&agreement, 1).unwrap();
    assert_eq!(side.provider.running(), 2);
    // Opened again, what was owed before is over.
    side.author_channel(ChannelState { epoch: 2, ..open(10_000) });
    assert_eq!(side.owed_to_author(), Wei::ZERO);
}

#[test]
fn what_was_paid_in_an_epoch_that_ended_before_its_verdict_came_is_not_asked_for_again() {
    let mut side = with_author();
    let agreement = side.agreed(2);
    let report = side.compute(&agreement, 0).unwrap();
    // The author got its voucher from another provider, ended the channel by it, and is paid in a new one from now on.
    side.author_channel(open(0));
    side.author_channel(ChannelState { epoch: 2, ..open(10_000) });
    let effects = side.judge(&report, VALUE.0, None);
    assert_eq!((fee_unpaid(&effects), side.owed_to_author()), (None, Wei::ZERO));
    let report = side.compute(&agreement, 1).unwrap();
    assert_eq!(fee_unpaid(&side.judge(&report, VALUE.0 * 2, None)), None, "it was open then too");
    // What is agreed in the new epoch is paid in it.
    let next = side.agreement(1, |a| (a.batch, a.subtasks[0].index) = (1, 5));
    assert_eq!(computes(&side.propose(&next)), 1);
    let report = side.compute(&next, 5).unwrap();
    assert_eq!(fee_unpaid(&side.judge(&report, VALUE.0 * 3, None)), Some(FEE));
}

#[test]
fn the_authors_vouchers_survive_a_restart_and_are_not_counted_as_own_money() {
    let mut side = with_author();
    let agreement = side.agreed(1);
    let report = side.compute(&agreement, 0).unwrap();
    let mut message = side.verdict(&report, VALUE.0, |_| {});
    let Message::Verdict { author_voucher, .. } = &mut message else { panic!("a verdict") };
    *author_voucher = Some(sign(voucher(FEE.0).unwrap(), &CHAIN, &*side.requestor.payment).unwrap().into_signed());
    let effects = side.provider.apply(&mut side.policy, from(&side.requestor, message), NOW);
    let saved = effects.into_iter().find_map(|effect| match effect {
        ProviderEffect::Persist { records, .. } => Some(records),
        _ => None,
    });
    let keys = keys(2);
    let settings = super::world::provider_settings(&keys);
    let recovered = Provider::recover(settings, keys, &saved.expect("records"), NOW).unwrap();
    assert_eq!(
        recovered.author_vouchers(author(), Address::ZERO),
        side.provider.author_vouchers(author(), Address::ZERO)
    );
    assert_eq!(recovered.author_vouchers(author(), Address::ZERO).len(), 1);
    assert_eq!(recovered.author_vouchers(Address::repeat_byte(1), Address::ZERO), vec![]);
    assert!(recovered.vouchers().iter().all(|(_, voucher)| voucher.document.payee != author()));
    assert!(recovered.claimables(NOW.chain).iter().all(|claimable| claimable.amount == VALUE));
}

/// A requestor whose offers are in, told of both channels as it funds them. Gives what it proposed.
fn proposed(budget: Wei) -> (Requestor, Fixed, Authentic<Agreement>) {
    let (mut requestor, mut policy, digest) = started_with(budget, app());
    let effects = request(&mut requestor, &mut policy, offer(digest, 2, |_| {}), NOW);
    let payer = keys(1).payment.address();
    let reads: Vec<ChannelId> = effects
        .iter()
        .filter_map(|effect| match effect {
            RequestorEffect::ReadChannel(channel) => Some(*channel),
            _ => None,
        })
        .collect();
    let payees = [keys(2).payment.address(), author()];
    assert_eq!(reads, payees.map(|payee| ChannelId { payer, payee }), "both channels are read");
    let mut funds = Vec::new();
    for channel in reads {
        let state = ChannelState::default();
        let effects = request(&mut requestor, &mut policy, RequestorInput::Channel { channel, state }, NOW);
        funds.extend(effects.into_iter().filter_map(|effect| match effect {
            RequestorEffect::Fund { payee, amount, deposit, epoch } => Some((payee, amount, deposit, epoch)),
            _ => None,
        }));
    }
    let asked: u128 = funds.iter().map(|(_, amount, ..)| amount.0).sum();
    assert!(asked <= budget.0, "{asked} are asked for, and the budget is {budget}");
    let mut agreement = None;
    for (payee, _, deposit, epoch) in funds {
        assert!(agreement.is_none(), "nothing is agreed that both channels do not cover");
        let channel = ChannelId { payer, payee };
        let state = ChannelState { deposit, epoch, ..ChannelState::default() };
        let effects = request(&mut requestor, &mut policy, RequestorInput::Channel { channel, state }, NOW);
        agreement = effects.into_iter().find_map(|effect| match effect {
            RequestorEffect::Send { message: Message::Agreement(agreement), .. } => Some(agreement),
            _ => None,
        });
    }
    (requestor, policy, agreement.expect("an agreement").authenticate(&CHAIN).unwrap())
}

fn reserved(requestor: &Requestor, payee: Address) -> Wei {
    let ledgers = requestor.ledgers();
    ledgers.iter().find(|ledger| ledger.channel().payee == payee).map_or(Wei::ZERO, |ledger| ledger.reserved())
}

#[test]
fn holds_back_value_and_fee_signs_both_and_gives_both_back() {
    let budget = Wei(4 * (VALUE.0 + FEE.0));
    let (mut requestor, mut policy, agreement) = proposed(budget);
    let count = agreement.subtasks.len();
    assert_eq!(agreement.app, app());
    assert_eq!(reserved(&requestor, author()), app().of(count));
    assert_eq!(requestor.tasks()[0].reserved, Wei(count as u128 * (VALUE.0 + FEE.0)));
    let (first, second) = (agreement.subtasks[0].index, agreement.subtasks[1].index);
    request(&mut requestor, &mut policy, report(&agreement, &[first, second]), NOW);
    let complete = Err("the provider went away".to_string());
    for (index, complete) in [(first, Ok(())), (second, complete)] {
        let fetched = RequestorInput::Fetched { agreement: agreement.digest(), index, complete };
        let effects = request(&mut requestor, &mut policy, fetched, NOW);
        let verdict = effects.into_iter().find_map(|effect| match effect {
            RequestorEffect::Send { message: Message::Verdict { voucher, author_voucher, .. }, .. } => {
                Some((voucher.unwrap().document, author_voucher.unwrap().document))
            }
            _ => None,
        });
        if let Some((own, fee)) = verdict {
            assert_eq!((own.payee, own.cumulative), (agreement.payee, VALUE));
            assert_eq!((fee.payee, fee.cumulative), (author(), FEE));
        }
    }
    let task = requestor.tasks()[0].clone();
    assert_eq!((task.spent, task.fees), (VALUE, FEE));
    // Nothing more comes: the rest is given back in both channels, or is in a batch that took its place.
    let later = Now { local: LocalTime(NOW.local.0 + 200_000), chain: NOW.chain };
    request(&mut requestor, &mut policy, RequestorInput::Tick, later);
    assert_eq!((reserved(&requestor, author()), reserved(&requestor, agreement.payee)), (Wei::ZERO, Wei::ZERO));
    assert_eq!(requestor.tasks()[0].reserved, Wei::ZERO);
}

#[test]
fn answers_whoever_asks_with_the_voucher_that_is_good_for_its_payee_alone() {
    let (mut requestor, mut policy, agreement) = proposed(Wei(100_000));
    let stranger = NodeId(keys(9).identity.address());
    let ask = |after| RequestorInput::Message {
        from: stranger,
        message: Box::new(Message::AskVouchers { payee: author(), after }),
    };
    let answer = |effects: Vec<RequestorEffect>| {
        effects.into_iter().find_map(|effect| match effect {
            RequestorEffect::Send { to, message: Message::Vouchers { payee, vouchers } } => {
                assert_eq!((to, payee), (stranger, author()));
                Some(vouchers)
            }
            _ => None,
        })
    };
    let first = request(&mut requestor, &mut policy, ask(Address::ZERO), NOW);
    assert_eq!(answer(first), Some(vec![]), "nothing is owed yet");
    let index = agreement.subtasks[0].index;
    request(&mut requestor, &mut policy, report(&agreement, &[index]), NOW);
    let fetched = RequestorInput::Fetched { agreement: agreement.digest(), index, complete: Ok(()) };
    // Accepted and not saved yet: the answer waits as everything does.
    let effects = requestor.apply(&mut policy, fetched, NOW);
    let saving = effects.iter().find_map(|effect| match effect {
        RequestorEffect::Persist { id, .. } => Some(*id),
        _ => None,
    });
    assert_eq!(answer(requestor.apply(&mut policy, ask(Address::ZERO), NOW)), None);
    let effects = requestor.apply(&mut policy, RequestorInput::Persisted(saving.expect("a save")), NOW);
    let vouchers = answer(effects).expect("an answer");
    let voucher = vouchers.into_iter().next().expect("a voucher").authenticate(&CHAIN).unwrap();
    assert_eq!(voucher.channel(), ChannelId { payer: keys(1).payment.address(), payee: author() });
    assert_eq!(voucher.cumulative, FEE);
    let beyond = request(&mut requestor, &mut policy, ask(keys(1).payment.address()), NOW);
    assert_eq!(answer(beyond), Some(vec![]), "payers after this one are asked for");
}

#[test]
fn a_provider_answers_with_what_it_keeps_and_nothing_of_its_own() {
    let mut side = with_author();
    let agreement = side.agreed(1);
    let report = side.compute(&agreement, 0).unwrap();
    side.judge(&report, VALUE.0, voucher(FEE.0));
    let payer = side.requestor.payment.address();
    let mut ask = |payee, after| {
        let input = from(&keys(9), Message::AskVouchers { payee, after });
        let effects = provide(&mut side.provider, &mut side.policy, input);
        effects.into_iter().find_map(|effect| match effect {
            ProviderEffect::Send { message: Message::Vouchers { vouchers, .. }, .. } => Some(vouchers.len()),
            _ => None,
        })
    };
    assert_eq!(ask(author(), Address::ZERO), Some(1));
    assert_eq!(ask(author(), payer), Some(0), "payers after this one are asked for");
    assert_eq!(ask(keys(2).payment.address(), Address::ZERO), Some(0));
}

#[test]
fn a_fee_that_comes_to_the_provider_itself_takes_nothing_of_its_credit() {
    let own = keys(2).payment.address();
    let large = AppFee { author: own, fee: Wei(VALUE.0 * 5) };
    let mut side = side_of(100_000, |header| header.app = large);
    // For the work of two, and much less than one fee.
    side.policy.credit = Wei(VALUE.0 * 2);
    let agreement = side.agreement(2, |_| {});
    assert_eq!(computes(&side.propose(&agreement)), 2);
    let report = side.compute(&agreement, 0).unwrap();
    side.judge(&report, VALUE.0 * 6, None);
    assert_eq!((side.earned(), side.provider.owed()[0].1), (Wei(VALUE.0 * 6), Wei::ZERO));
    // The channel covers the fees too, or it is not agreed.
    let more = side.agreement(3, |a| (a.batch, a.deadline) = (1, ChainTime(6_001)));
    assert_eq!(reads(&side.propose(&more)), vec![own]);
}

#[test]
fn announces_no_task_whose_author_is_its_payer() {
    let own = keys(1);
    let order = TaskOrder {
        header: Header {
            app: AppFee { author: own.payment.address(), fee: FEE },
            ..super::world::header(&own, 1, Pricing::Tender)
        },
        inputs: vec![ContentHash(B256::ZERO)],
        budget: Wei(1_000_000),
        offer_window_ms: 0,
        checks: Checks::recheck(0),
    };
    let mut requestor = Requestor::new(super::world::requestor_settings(), own);
    let effects = request(&mut requestor, &mut Fixed::default(), RequestorInput::Start(Box::new(order)), NOW);
    let malformed = |effect: &RequestorEffect| {
        matches!(effect, RequestorEffect::Happened(RequestorEvent::Refused { reason: RefusalReason::Malformed(text), .. })
            if text.contains("author"))
    };
    assert!(effects.iter().any(malformed), "{effects:?}");
    assert!(requestor.tasks().is_empty());
}

/// The author claims what this provider brought, and as much that another did; the chain forgets it, and knows it again.
#[test]
fn a_claim_that_a_reorg_takes_back_is_no_debt_and_pays_for_nothing_more_when_it_comes_again() {
    let mut side = with_author();
    let agreement = side.agreed(6);
    let first = side.compute(&agreement, 0).unwrap();
    side.compute(&agreement, 1);
    side.judge(&first, VALUE.0, voucher(FEE.0));
    let claimed = |claimed: u128| ChannelState { claimed: Wei(claimed), ..open(10_000) };
    // What is open here is paid ahead at most: the rest was for work of others.
    for state in [claimed(FEE.0 * 9), claimed(0), claimed(FEE.0 * 9), claimed(0)] {
        side.author_channel(state);
        assert_eq!(side.owed_to_author(), Wei::ZERO, "{state:?}: it has the vouchers all the same");
    }
}
