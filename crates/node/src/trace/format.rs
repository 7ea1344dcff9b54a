//! How a trace is written down.
//!
//! Shape: JSON lines. The first is the head, then come the records that the node started from, then the steps, then the end.
//! Each is `{"head": ...}`, `{"record": ...}`, `{"step": ...}` or `{"end": ...}` with a `sum` as its last field: 16 bytes of
//! the BLAKE3 hash of the sum before it and of the line up to it. So no line can be changed, lost or moved unseen.

use super::given::Given;
use crate::origin::{ProviderOrigin, RequestorOrigin};
use crate::provider_claims::ClaimQuestion;
use alloy_primitives::{Bytes, hex};
use golem_deal::{Checks, PersistId, ProviderEffect, ProviderInput, Record, RequestorEffect, RequestorInput, Table};
use golem_market::Claim;
use golem_protocol::{Address, B256, ByteCount, Header, Now, RefusalReason, Signed};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The version of this format.
pub(super) const TRACE_FORMAT: u32 = 1;
/// The longest line. Reason: a record of 64 MiB in hexadecimal, and room around it.
pub(super) const LINE_BYTES_MAX: u64 = 160 << 20;
/// How each trace begins.
pub(super) const BEGINNING: &[u8] = b"{\"head\":{\"golem_trace\":";
const SUM_FIELD: &[u8] = b",\"sum\":\"";
const SUM_DIGITS: usize = 32;

/// Which trace this is, and what the machines are made of.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Head {
    /// The version of the format; the first field, and in every version.
    pub golem_trace: u32,
    /// The program's version.
    pub version: String,
    /// The determinism profile of its sandbox.
    pub profile: B256,
    /// Whose signatures these are.
    pub identity: Address,
    pub payment: Address,
    /// How many records follow.
    pub records: u64,
    #[serde(flatten)]
    pub role: Role,
}

/// Whose machine it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    Provider(Box<ProviderOrigin>),
    Requestor(Box<RequestorOrigin>),
}

/// A record that the node started from.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    table: Table,
    key: Bytes,
    value: Option<Bytes>,
}

impl From<&Record> for Kept {
    fn from(record: &Record) -> Kept {
        let Record { table, key, value } = record.clone();
        Kept { table, key: key.into(), value: value.map(Bytes::from) }
    }
}

impl From<Kept> for Record {
    fn from(kept: Kept) -> Record {
        Record { table: kept.table, key: kept.key.to_vec(), value: kept.value.map(|value| value.to_vec()) }
    }
}

/// What a machine or its policy was told, what it was given, and what it wanted done.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    /// Counts from 1.
    pub number: u64,
    pub now: Now,
    pub told: Value,
    pub given: Vec<Given>,
    pub effects: Vec<Value>,
}

/// How a trace ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TraceEnd {
    /// The node stopped.
    Stopped,
    /// The trace has reached its bound; the node went on.
    Bound,
    /// It just ends: the node was killed, or the disk was full.
    Open,
}

/// What a provider's machine or policy is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ProviderTold {
    /// A header whose signature was checked, and is again when it is read back.
    Header(Box<Signed<Header>>),
    Input(ProviderInput),
    /// To offer nothing for this reason, or again.
    Close(Option<RefusalReason>),
    /// To say by the rule whose vouchers to claim; told where it says to claim some.
    Claim(ClaimQuestion),
}

impl From<&ProviderInput> for ProviderTold {
    fn from(input: &ProviderInput) -> ProviderTold {
        match input {
            ProviderInput::Header(header) => ProviderTold::Header(Box::new(header.signed().clone())),
            input => ProviderTold::Input(input.clone()),
        }
    }
}

/// What a requestor's machine or policy is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RequestorTold {
    Input(RequestorInput),
    Market(MarketTold),
}

/// What a requestor's policy is told, other than by its machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MarketTold {
    /// How a task's results are checked.
    Watch {
        header: B256,
        checks: Checks,
    },
    /// How much an input of a task has to fetch.
    Weigh {
        header: B256,
        input_max: ByteCount,
    },
    /// Of a wrong result that somebody else found.
    Hear(Claim),
    /// To say which of those are to be looked at now.
    LooksWanted,
    /// What came of a look.
    Proven(Claim),
    Refuted(Claim),
    GivenUp(Claim),
}

/// A provider's effect; of a record only its digest.
pub(super) fn provider_effect(effect: &ProviderEffect) -> serde_json::Result<Value> {
    match effect {
        ProviderEffect::Persist { id, records } => Ok(persist(*id, records)),
        effect => serde_json::to_value(effect),
    }
}

/// A requestor's effect; of a record only its digest.
pub(super) fn requestor_effect(effect: &RequestorEffect) -> serde_json::Result<Value> {
    match effect {
        RequestorEffect::Persist { id, records } => Ok(persist(*id, records)),
        effect => serde_json::to_value(effect),
    }
}

fn persist(id: PersistId, records: &[Record]) -> Value {
    let shown = |record: &Record| {
        let blake3 = record.value.as_ref().map(|value| blake3::hash(value).to_hex().to_string());
        json!({ "table": record.table.name(), "key": hex::encode_prefixed(&record.key), "blake3": blake3 })
    };
    json!({ "Persist": { "id": id, "records": records.iter().map(shown).collect::<Vec<_>>() } })
}

/// The sum of all lines so far.
#[derive(Clone, Copy, Default)]
pub(super) struct Sum([u8; SUM_DIGITS / 2]);

impl Sum {
    fn after(self, body: &[u8]) -> Sum {
        let mut hasher = blake3::Hasher::new();
        let hash = hasher.update(&self.0).update(body).finalize();
        Sum(std::array::from_fn(|index| hash.as_bytes()[index]))
    }
}

/// What lines are written of.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Writes<'a> {
    Head(&'a Head),
    Record(&'a Kept),
    Step(&'a Step),
    End(TraceEnd),
}

/// What lines are read as.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reads {
    Head(Box<Head>),
    Record(Kept),
    Step(Box<Step>),
    End(TraceEnd),
}

/// A line with its end and the sum of all before it.
pub(super) fn line(writes: &Writes<'_>, before: Sum) -> serde_json::Result<(Vec<u8>, Sum)> {
    let mut line = serde_json::to_vec(writes)?;
    // The object's closing brace comes after the sum.
    line.pop();
    let sum = before.after(&line);
    line.extend_from_slice(SUM_FIELD);
    line.extend_from_slice(hex::encode(sum.0).as_bytes());
    line.extend_from_slice(b"\"}\n");
    Ok((line, sum))
}

/// Takes a line, without its end, for what it says.
///
/// Errors: for people.
pub(super) fn parse(line: &[u8], before: Sum) -> Result<(Reads, Sum), String> {
    let tail = SUM_FIELD.len() + SUM_DIGITS + 2;
    let (body, end) = line.split_at_checked(line.len().saturating_sub(tail)).unwrap_or_default();
    let sum = before.after(body);
    let wanted = [SUM_FIELD, hex::encode(sum.0).as_bytes(), b"\"}"].concat();
    if end != wanted {
        return Err("its sum does not fit, so it or a line before it is not as it was written".to_owned());
    }
    let mut whole = body.to_vec();
    whole.push(b'}');
    match serde_json::from_slice(&whole) {
        Ok(reads) => Ok((reads, sum)),
        Err(error) => Err(error.to_string()),
    }
}

/// The version of the format that a first line is in, whatever else it holds.
pub(super) fn format_of(first: &[u8]) -> Option<u32> {
    let digits = first.strip_prefix(BEGINNING)?;
    let digits = digits.split(|byte| !byte.is_ascii_digit()).next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}
