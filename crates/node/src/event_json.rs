//! Events as JSON: one flat object with its `kind`, amounts as decimal strings of wei.

use crate::events::{NodeNotice, ProviderNotice, RequestorNotice, Stamped};
use golem_deal::{Near, ProviderEvent, RequestorEvent};
use golem_protocol::B256;
use serde_json::{Value, json};

impl ProviderNotice {
    /// The notice as JSON, with its `kind`.
    pub fn to_json(&self) -> Value {
        match self {
            ProviderNotice::Deal(event) => provider_event(event),
            ProviderNotice::ComputeStarted { agreement, index } => {
                json!({"kind": "compute_started", "agreement": agreement, "index": index})
            }
            ProviderNotice::Claimed { transaction, paid, payers } => {
                json!({"kind": "claimed", "transaction": transaction, "paid_wei": paid, "payers": payers})
            }
            ProviderNotice::ClaimFailed { detail } => json!({"kind": "claim_failed", "detail": detail}),
            ProviderNotice::Lost { payer, lost, claimed } => {
                json!({"kind": "lost", "payer": payer, "lost_wei": lost, "claimed_wei": claimed})
            }
            ProviderNotice::Node(notice) => node_notice(notice),
        }
    }
}

impl RequestorNotice {
    /// The notice as JSON, with its `kind`.
    pub fn to_json(&self) -> Value {
        match self {
            RequestorNotice::Deal(event) => requestor_event(event),
            RequestorNotice::Funded { payee, amount, transaction } => {
                json!({"kind": "funded", "payee": payee, "amount_wei": amount, "transaction": transaction})
            }
            RequestorNotice::OffersWait { header, offers, held } => {
                json!({"kind": "offers_wait", "header": header, "offers": offers, "held": held})
            }
            RequestorNotice::CopiesWait { header, subtasks, copies, near, held } => {
                let mut event = copies_wait(*header, *subtasks, *copies, near.as_ref());
                event["held"] = json!(held);
                event
            }
            RequestorNotice::ProgramFetched { header, provider, size } => {
                json!({"kind": "program_fetched", "header": header, "provider": provider, "bytes": size})
            }
            RequestorNotice::ProofLookedAt { provider, accuser, found } => {
                json!({"kind": "proof_looked_at", "provider": provider, "accuser": accuser, "found": found})
            }
            RequestorNotice::Node(notice) => node_notice(notice),
        }
    }
}

/// An event with its number and time.
pub(crate) fn stamped<E>(event: &Stamped<E>, to_json: impl Fn(&E) -> Value) -> Value {
    let mut value = to_json(&event.event);
    if let Some(fields) = value.as_object_mut() {
        fields.insert("seq".to_owned(), json!(event.seq));
        fields.insert("at_ms".to_owned(), json!(event.at_ms));
    }
    value
}

fn node_notice(notice: &NodeNotice) -> Value {
    match notice {
        NodeNotice::ChainLost { detail } => json!({"kind": "chain_lost", "detail": detail}),
        NodeNotice::ChainFound => json!({"kind": "chain_found"}),
        NodeNotice::DiskFull { detail } => json!({"kind": "disk_full", "detail": detail}),
        NodeNotice::DiskFreed => json!({"kind": "disk_freed"}),
        NodeNotice::Resting { reason } => json!({"kind": "resting", "detail": reason}),
        NodeNotice::Rested => json!({"kind": "rested"}),
        NodeNotice::TraceEnded { detail } => json!({"kind": "trace_ended", "detail": detail}),
        NodeNotice::Stopping { reason } => json!({"kind": "stopping", "detail": reason}),
    }
}

fn provider_event(event: &ProviderEvent) -> Value {
    match event {
        ProviderEvent::Offered { requestor, header, price } => {
            json!({"kind": "offered", "requestor": requestor, "header": header, "price_wei_per_hour": price})
        }
        ProviderEvent::Refused { requestor, about, reason } => {
            json!({"kind": "refused", "requestor": requestor, "about": about, "detail": reason.to_string()})
        }
        ProviderEvent::RefusedByPeer { requestor, about, reason } => {
            json!({"kind": "refused_by_peer", "requestor": requestor, "about": about, "detail": reason.to_string()})
        }
        ProviderEvent::Agreed { requestor, agreement, subtasks, value } => json!({
            "kind": "agreed", "requestor": requestor, "agreement": agreement, "subtasks": subtasks, "value_wei": value,
        }),
        ProviderEvent::Computed { agreement, index, completed } => {
            json!({"kind": "computed", "agreement": agreement, "index": index, "completed": completed})
        }
        ProviderEvent::Rejected { agreement, index, decision } => {
            json!({"kind": "rejected", "agreement": agreement, "index": index, "decision": decision})
        }
        ProviderEvent::Paid { requestor, amount, cumulative } => {
            json!({"kind": "paid", "requestor": requestor, "amount_wei": amount, "cumulative_wei": cumulative})
        }
        ProviderEvent::Unpaid { requestor, detail } => {
            json!({"kind": "unpaid", "requestor": requestor, "detail": detail})
        }
        ProviderEvent::FeePaid { payer, author, amount, cumulative } => json!({
            "kind": "fee_paid", "payer": payer, "author": author, "amount_wei": amount, "cumulative_wei": cumulative,
        }),
        ProviderEvent::FeeUnpaid { requestor, author, owed } => {
            json!({"kind": "fee_unpaid", "requestor": requestor, "author": author, "owed_wei": owed})
        }
        ProviderEvent::CreditExceeded { requestor, owed, credit } => {
            json!({"kind": "credit_exceeded", "requestor": requestor, "owed_wei": owed, "credit_wei": credit})
        }
        ProviderEvent::Uncovered { requestor, payer, detail } => {
            json!({"kind": "uncovered", "requestor": requestor, "payer": payer, "detail": detail})
        }
        ProviderEvent::Ended { payer, epoch, claimed, unclaimed } => json!({
            "kind": "channel_ended", "payer": payer, "epoch": epoch, "claimed_wei": claimed, "unclaimed_wei": unclaimed,
        }),
        ProviderEvent::DepositUndone { payer, deposit, claimable } => json!({
            "kind": "deposit_undone", "payer": payer, "deposit_wei": deposit, "claimable_wei": claimable,
        }),
        ProviderEvent::ClaimUndone { payer, amount } => {
            json!({"kind": "claim_undone", "payer": payer, "amount_wei": amount})
        }
        ProviderEvent::LeftAlone { module, detail, for_ms } => {
            json!({"kind": "program_left_alone", "program": module, "detail": detail, "for_ms": for_ms})
        }
        ProviderEvent::Abandoned { agreement, owed } => {
            json!({"kind": "abandoned", "agreement": agreement, "owed_wei": owed})
        }
    }
}

fn copies_wait(header: B256, subtasks: u32, copies: u8, near: Option<&Near>) -> Value {
    let near = near.map(
        |Near { provider, holder, site }| json!({"provider": provider, "holder": holder, "address": site.to_string()}),
    );
    json!({"kind": "copies_wait", "header": header, "subtasks": subtasks, "copies": copies, "near": near})
}

fn requestor_event(event: &RequestorEvent) -> Value {
    match event {
        RequestorEvent::Offered { header, provider, price, performance } => json!({
            "kind": "offered", "header": header, "provider": provider, "price_wei_per_hour": price,
            "performance": performance,
        }),
        RequestorEvent::Refused { provider, about, reason } => {
            json!({"kind": "refused", "provider": provider, "about": about, "detail": reason.to_string()})
        }
        RequestorEvent::RefusedByPeer { provider, about, reason } => {
            json!({"kind": "refused_by_peer", "provider": provider, "about": about, "detail": reason.to_string()})
        }
        RequestorEvent::Agreed { header, agreement, provider, subtasks, value, fees } => json!({
            "kind": "agreed", "header": header, "agreement": agreement, "provider": provider, "subtasks": subtasks,
            "value_wei": value, "fees_wei": fees,
        }),
        RequestorEvent::Accepted {
            header,
            provider,
            index,
            output,
            output_bytes,
            paid,
            fee,
            rechecked,
            agreement,
            again,
        } => json!({
            "kind": "accepted", "header": header, "provider": provider, "index": index, "output": output,
            "output_bytes": output_bytes, "paid_wei": paid, "fee_wei": fee, "rechecked": rechecked,
            "agreement": agreement, "again": again,
        }),
        RequestorEvent::OwnRun { header, provider, index, reason } => json!({
            "kind": "own_run", "header": header, "provider": provider, "index": index, "reason": reason,
        }),
        RequestorEvent::Hedged { header, index, late, provider } => json!({
            "kind": "hedged", "header": header, "index": index, "late": late, "provider": provider,
        }),
        RequestorEvent::KnownGiven { header, index, provider } => json!({
            "kind": "known_given", "header": header, "index": index, "provider": provider,
        }),
        RequestorEvent::CopiesWait { header, subtasks, copies, near } => {
            copies_wait(*header, *subtasks, *copies, near.as_ref())
        }
        RequestorEvent::FoundWrong { header, provider, index, paid, detail } => json!({
            "kind": "found_wrong", "header": header, "provider": provider, "index": index, "paid_wei": paid,
            "detail": detail,
        }),
        RequestorEvent::Rejected { header, provider, index, decision, detail } => json!({
            "kind": "rejected", "header": header, "provider": provider, "index": index, "decision": decision,
            "detail": detail,
        }),
        RequestorEvent::Freed { header, provider, subtasks, detail } => json!({
            "kind": "freed", "header": header, "provider": provider, "subtasks": subtasks, "detail": detail,
        }),
        RequestorEvent::DepositUndone { payee, deposit, uncovered } => json!({
            "kind": "deposit_undone", "payee": payee, "deposit_wei": deposit, "uncovered_wei": uncovered,
        }),
        RequestorEvent::CloseUndone { payee } => json!({"kind": "close_undone", "payee": payee}),
        RequestorEvent::FundFailed { payee, detail } => {
            json!({"kind": "fund_failed", "payee": payee, "detail": detail})
        }
        RequestorEvent::OffersWait { header, offers } => {
            json!({"kind": "offers_wait", "header": header, "offers": offers})
        }
        RequestorEvent::BudgetReached { header, open } => {
            json!({"kind": "budget_reached", "header": header, "open": open})
        }
        RequestorEvent::Finished { header, failed } => {
            json!({"kind": "finished", "header": header, "failed": failed})
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use golem_protocol::{Address, NodeId, Wei};

    #[test]
    fn writes_amounts_as_decimal_strings_of_wei() {
        let requestor = NodeId(Address::repeat_byte(1));
        let (amount, cumulative) = (Wei(u64::MAX as u128 + 1), Wei(1 << 90));
        let notice = ProviderNotice::Deal(ProviderEvent::Paid { requestor, amount, cumulative });
        let value = stamped(&Stamped { seq: 7, at_ms: 9, event: notice }, ProviderNotice::to_json);
        assert_eq!(value["amount_wei"], "18446744073709551616");
        assert_eq!((value["seq"].as_u64(), value["kind"].as_str()), (Some(7), Some("paid")));
    }
}
