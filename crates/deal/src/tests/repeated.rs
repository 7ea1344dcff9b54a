//! What a provider may say again and again, and how often that is listened to.

use super::refusals::{NOW, agreed, from, offer, proposal, proposed, provide_at, refused, report, request, side};
use crate::*;
use golem_protocol::*;

#[test]
fn looks_at_two_reports_of_a_batch_for_each_of_its_subtasks() {
    let (mut requestor, mut policy, agreement) = agreed();
    let subtasks = agreement.subtasks.len() as u32;
    // Each is another document, and none has a result that was agreed.
    for report_number in 0..2 * subtasks {
        let effects = request(&mut requestor, &mut policy, report(&agreement, &[1_000 + report_number]), NOW);
        assert_eq!(refused(&effects), None, "report {report_number}");
    }
    let effects = request(&mut requestor, &mut policy, report(&agreement, &[5_000]), NOW);
    assert!(matches!(refused(&effects), Some(RefusalReason::Full(_))), "{effects:?}");
}

#[test]
fn an_offer_that_was_over_too_soon_is_excused_once() {
    let (mut requestor, mut policy, agreement) = proposed();
    let from = agreement.provider;
    let expired = |about| {
        let reason = RefusalReason::Expired { expires: ChainTime(9_000), now: ChainTime(9_030) };
        let message = Box::new(Message::Refusal(Refusal { about, reason }));
        RequestorInput::Message { from, message }
    };
    request(&mut requestor, &mut policy, expired(agreement.digest()), NOW);
    let effects =
        request(&mut requestor, &mut policy, offer(agreement.header, 2, |o| o.expires = ChainTime(9_600)), NOW);
    let again = proposal(&effects).expect("it is asked again at once");
    request(&mut requestor, &mut policy, expired(again.digest()), NOW);
    let effects =
        request(&mut requestor, &mut policy, offer(agreement.header, 2, |o| o.expires = ChainTime(9_700)), NOW);
    assert!(matches!(refused(&effects), Some(RefusalReason::Paused { seconds: 4 })), "{effects:?}");
}

#[test]
fn who_leaves_a_provider_out_is_left_alone_for_ten_minutes() {
    for (reason, is_last) in [(RefusalReason::Denied, true), (RefusalReason::Busy, false)] {
        let mut side = side(100_000);
        let refusal = Refusal { about: side.offer.digest(), reason };
        let refused = from(&side.requestor, Message::Refusal(refusal));
        provide_at(&mut side.provider, &mut side.policy, refused, NOW);
        let header = side.header.clone();
        let mut offered_after = |ms: u64| {
            let heard = ProviderInput::Header(Box::new(header.clone()));
            let now = Now { local: LocalTime(NOW.local.0 + ms), ..NOW };
            let effects = provide_at(&mut side.provider, &mut side.policy, heard, now);
            effects.iter().any(|effect| matches!(effect, ProviderEffect::Send { message: Message::Offer(_), .. }))
        };
        assert_eq!([1_000, 599_000].map(&mut offered_after), [!is_last; 2]);
        assert!(offered_after(600_000), "lists change");
    }
}
