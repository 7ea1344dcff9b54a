//! Any document that a peer could send, in bounds or not.

use super::*;
use crate::offer::{Refusal, RefusalReason};
use crate::signed::CompactSignature;
use proptest::collection::vec;
use proptest::prelude::*;

fn hash() -> impl Strategy<Value = B256> {
    any::<[u8; 32]>().prop_map(B256::from)
}

fn address() -> impl Strategy<Value = Address> {
    any::<[u8; 20]>().prop_map(Address::from)
}

fn node() -> impl Strategy<Value = NodeId> {
    address().prop_map(NodeId)
}

fn wei() -> impl Strategy<Value = Wei> {
    (0..=Wei::MAX.0).prop_map(Wei)
}

fn app() -> impl Strategy<Value = AppFee> {
    (address(), wei()).prop_map(|(author, fee)| AppFee { author, fee })
}

fn signature() -> impl Strategy<Value = CompactSignature> {
    vec(any::<u8>(), 64).prop_map(|bytes| CompactSignature(bytes.try_into().unwrap()))
}

fn signed<T: core::fmt::Debug>(document: impl Strategy<Value = T>) -> impl Strategy<Value = Signed<T>> {
    (document, signature()).prop_map(|(document, signature)| Signed { document, signature })
}

pub fn any_header() -> impl Strategy<Value = Signed<Header>> {
    let parties = (node(), address(), any::<u64>(), hash(), any::<u64>(), any::<u32>());
    let terms = (wei(), any::<u32>(), any::<u64>(), any::<bool>());
    let limits = (any::<u64>(), any::<u64>(), any::<u64>(), any::<u32>(), hash(), any::<u64>(), app());
    let header = (parties, terms, limits).prop_map(|(parties, terms, limits)| Header {
        requestor: parties.0,
        payer: parties.1,
        nonce: parties.2,
        module: ContentHash(parties.3),
        module_bytes: ByteCount(parties.4),
        subtasks: parties.5,
        max_price: terms.0,
        subtask_timeout_s: terms.1,
        min_perf: terms.2,
        pricing: if terms.3 { Pricing::Metered } else { Pricing::Tender },
        fuel_max: Fuel(limits.0),
        memory_max: ByteCount(limits.1),
        output_max: ByteCount(limits.2),
        recheck_ppm: limits.3,
        profile: limits.4,
        deadline: ChainTime(limits.5),
        app: limits.6,
    });
    signed(header)
}

fn any_offer() -> impl Strategy<Value = Offer> {
    (hash(), node(), address(), wei(), any::<u64>(), any::<u16>(), any::<u64>()).prop_map(
        |(header, provider, payee, price, performance, slots, expires)| Offer {
            header,
            provider,
            payee,
            price,
            performance,
            slots,
            expires: ChainTime(expires),
        },
    )
}

fn any_agreement() -> impl Strategy<Value = Agreement> {
    let subtask = (any::<u32>(), hash(), wei()).prop_map(|(index, input, value)| AgreedSubtask {
        index,
        input: ContentHash(input),
        value,
    });
    let parties = (hash(), hash(), node(), node(), address(), address());
    let terms = (any::<u32>(), any::<u32>(), wei(), any::<u64>(), any::<u32>(), any::<u64>(), app());
    (parties, terms, vec(subtask, 0..8)).prop_map(|(parties, terms, subtasks)| Agreement {
        header: parties.0,
        offer: parties.1,
        requestor: parties.2,
        provider: parties.3,
        payer: parties.4,
        payee: parties.5,
        epoch: terms.0,
        batch: terms.1,
        price: terms.2,
        fuel_rate: terms.3,
        subtask_timeout_s: terms.4,
        deadline: ChainTime(terms.5),
        app: terms.6,
        subtasks,
    })
}

pub const FAILURES: [FailureKind; 9] = [
    FailureKind::BadModule,
    FailureKind::BadInput,
    FailureKind::OutOfFuel,
    FailureKind::OutOfMemory,
    FailureKind::OutputTooLarge,
    FailureKind::TimedOut,
    FailureKind::Trapped,
    FailureKind::ExitStatus,
    FailureKind::Provider,
];

pub const DECISIONS: [Decision; 7] = [
    Decision::Accepted,
    Decision::WrongOutput,
    Decision::WrongFuel,
    Decision::OutputMissing,
    Decision::Late,
    Decision::FailureNoted,
    Decision::NotAgreed,
];

fn any_report() -> impl Strategy<Value = Report> {
    let completed = (hash(), any::<u64>(), any::<u64>(), any::<u64>()).prop_map(|(output, bytes, fuel, time_ms)| {
        SubtaskOutcome::Completed {
            output: ContentHash(output),
            output_bytes: ByteCount(bytes),
            fuel: Fuel(fuel),
            time_ms,
        }
    });
    let failed = (prop::sample::select(&FAILURES[..]), ".{0,40}")
        .prop_map(|(kind, message)| SubtaskOutcome::Failed { kind, message });
    let result =
        (any::<u32>(), prop_oneof![completed, failed]).prop_map(|(index, outcome)| SubtaskResult { index, outcome });
    (hash(), node(), vec(result, 0..8)).prop_map(|(agreement, provider, results)| Report {
        agreement,
        provider,
        results,
    })
}

fn any_verdict() -> impl Strategy<Value = Verdict> {
    let decision = (any::<u32>(), prop::sample::select(&DECISIONS[..]));
    (hash(), hash(), node(), vec(decision, 0..8)).prop_map(|(agreement, report, requestor, decisions)| Verdict {
        agreement,
        report,
        requestor,
        decisions,
    })
}

fn any_voucher() -> impl Strategy<Value = Voucher> {
    (address(), any::<u32>(), wei()).prop_map(|(payee, epoch, cumulative)| Voucher { payee, epoch, cumulative })
}

fn any_reason() -> impl Strategy<Value = RefusalReason> {
    let text = || ".{0,40}";
    prop_oneof![
        (wei(), wei()).prop_map(|(price, max_price)| RefusalReason::PriceAboveMax { price, max_price }),
        (any::<u64>(), any::<u64>())
            .prop_map(|(performance, min_perf)| RefusalReason::BelowMinPerf { performance, min_perf }),
        (any::<u64>(), any::<u64>())
            .prop_map(|(expires, now)| RefusalReason::Expired { expires: ChainTime(expires), now: ChainTime(now) }),
        hash().prop_map(RefusalReason::UnknownHeader),
        Just(RefusalReason::Denied),
        Just(RefusalReason::BelowQualityFloor),
        Just(RefusalReason::NothingLeft),
        text().prop_map(RefusalReason::Full),
        (text(), text(), text()).prop_map(|(field, got, offered)| RefusalReason::NotAsOffered { field, got, offered }),
        text().prop_map(RefusalReason::Channel),
        (wei(), wei()).prop_map(|(owed, credit)| RefusalReason::CreditExceeded { owed, credit }),
        (address(), wei()).prop_map(|(author, owed)| RefusalReason::FeeUnpaid { author, owed }),
        wei().prop_map(|lost| RefusalReason::StrangersUnpaid { lost }),
        Just(RefusalReason::Busy),
        (hash(), hash()).prop_map(|(ours, theirs)| RefusalReason::OtherProfile { ours, theirs }),
        (text(), any::<u64>(), any::<u64>()).prop_map(|(resource, asked, limit)| RefusalReason::TooLarge {
            resource,
            asked,
            limit
        }),
        text().prop_map(RefusalReason::Malformed),
        text().prop_map(RefusalReason::Resting),
        (any::<u32>(), any::<u32>()).prop_map(|(bits, bits_min)| RefusalReason::IdentityTooCheap { bits, bits_min }),
        hash().prop_map(|module| RefusalReason::ProgramNotAllowed(ContentHash(module))),
        (any::<u64>(), any::<u64>(), any::<u32>()).prop_map(|(promised, seen, results)| RefusalReason::Overstated {
            promised,
            seen,
            results
        }),
        any::<u64>().prop_map(|seconds| RefusalReason::Paused { seconds }),
        (hash(), text())
            .prop_map(|(module, detail)| RefusalReason::ProgramUnfit { module: ContentHash(module), detail }),
    ]
}

pub fn any_message() -> impl Strategy<Value = Message> {
    let countersignature =
        (hash(), signature()).prop_map(|(agreement, signature)| Countersignature { agreement, signature });
    let cancel = (hash(), node()).prop_map(|(agreement, provider)| Cancel { agreement, provider });
    prop_oneof![
        signed(any_offer()).prop_map(Message::Offer),
        (hash(), any_reason()).prop_map(|(about, reason)| Message::Refusal(Refusal { about, reason })),
        signed(any_agreement()).prop_map(Message::Agreement),
        countersignature.prop_map(Message::Countersignature),
        signed(cancel).prop_map(Message::Cancel),
        signed(any_report()).prop_map(Message::Report),
        (signed(any_verdict()), prop::option::of(signed(any_voucher())), prop::option::of(signed(any_voucher())))
            .prop_map(|(verdict, voucher, author_voucher)| Message::Verdict { verdict, voucher, author_voucher }),
        (address(), address()).prop_map(|(payee, after)| Message::AskVouchers { payee, after }),
        (address(), vec(signed(any_voucher()), 0..8))
            .prop_map(|(payee, vouchers)| Message::Vouchers { payee, vouchers }),
    ]
}
