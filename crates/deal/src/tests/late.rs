//! Who is late with what it owes, as the market is told.

use super::refusals::{NOW, Side, VALUE, from, provide, provide_at, side, side_of};
use super::world::CHAIN;
use crate::*;
use golem_protocol::*;

/// A provider that begins one subtask, each of which may take so long.
fn begun(subtask_timeout_s: u32) -> (Side, Authentic<Agreement>) {
    let mut side = side_of(100_000_000, |header| header.subtask_timeout_s = subtask_timeout_s);
    let agreement = side.agreement(1, |agreement| {
        agreement.subtask_timeout_s = subtask_timeout_s;
        agreement.subtasks[0].value = Wei(VALUE.0 * u128::from(subtask_timeout_s / 60));
    });
    side.propose(&agreement);
    (side, agreement)
}

fn tick(side: &mut Side, after_ms: u64) -> Vec<ProviderEffect> {
    let now = Now { local: NOW.local.saturating_add(after_ms), chain: NOW.chain };
    provide_at(&mut side.provider, &mut side.policy, ProviderInput::Tick, now)
}

fn claims(effects: &[ProviderEffect]) -> bool {
    effects.iter().any(|effect| matches!(effect, ProviderEffect::Claim { .. }))
}

#[test]
fn says_once_who_does_not_answer_a_report_of_work_done_and_who_rejects_it() {
    let late_ms = late_after_ms(600_000, 60);
    let (mut failing, agreement) = begun(60);
    let outcome = SubtaskOutcome::Failed { kind: FailureKind::Trapped, message: "no such thing".into() };
    let failed = ProviderInput::Computed { agreement: agreement.digest(), index: 0, outcome };
    provide(&mut failing.provider, &mut failing.policy, failed);
    tick(&mut failing, late_ms);
    assert_eq!(failing.policy.late, vec![], "nothing is owed for what failed");

    let (mut side, agreement) = begun(60);
    let report = side.compute(&agreement, 0).unwrap();
    assert!(claims(&tick(&mut side, 600_000)), "what is held is claimed before it is late");
    assert_eq!(side.policy.late, vec![]);
    (0..3).for_each(|_| drop(tick(&mut side, late_ms)));
    assert_eq!(side.policy.late, vec![side.header.requestor]);

    let Message::Verdict { verdict, .. } = side.verdict(&report, 0, |_| {}) else { panic!("a verdict") };
    let mut rejecting = verdict.document.clone();
    rejecting.decisions.iter_mut().for_each(|(_, decision)| *decision = Decision::NotAgreed);
    let verdict = sign(rejecting, &CHAIN, &*side.requestor.identity).unwrap().into_signed();
    let message = Message::Verdict { verdict, voucher: None, author_voucher: None };
    provide(&mut side.provider, &mut side.policy, from(&side.requestor, message));
    assert_eq!((side.policy.refused_results.len(), side.policy.late.len()), (1, 1));
}

#[test]
fn who_has_long_to_answer_is_late_at_the_latest_when_it_is_given_up() {
    let day_s = 24 * 3_600;
    let (mut side, agreement) = begun(day_s);
    side.compute(&agreement, 0);
    assert!(claims(&tick(&mut side, 600_000)), "a claim waits for no timeout");
    let given_up = (1..).find(|minute| {
        let given_up =
            |effect: &ProviderEffect| matches!(effect, ProviderEffect::Happened(ProviderEvent::Abandoned { .. }));
        let effects = tick(&mut side, 600_000 + minute * 60_000);
        let is_given_up = effects.iter().any(given_up);
        assert_eq!(side.policy.late.len(), usize::from(is_given_up));
        is_given_up
    });
    assert!(given_up.is_some_and(|minute| minute * 60 < u64::from(day_s)));
}

#[test]
fn who_pays_for_what_is_accepted_is_not_late_for_what_it_owed_before() {
    let mut side = side(100_000);
    for (index, cumulative, late) in [(0, 0, 1), (1, VALUE.0, 1), (2, VALUE.0, 2)] {
        let agreement = side.agreement(1, |agreement| {
            agreement.batch = index;
            agreement.subtasks[0].index = index;
        });
        side.propose(&agreement);
        let report = side.compute(&agreement, index).unwrap();
        let verdict = side.verdict(&report, cumulative, |_| {});
        provide(&mut side.provider, &mut side.policy, from(&side.requestor, verdict));
        assert_eq!(side.policy.late.len(), late, "subtask {index}");
    }
}
