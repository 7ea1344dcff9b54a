//! What every side says of the money between a payer and a payee, and that all say the same.

use crate::harness::{Node, Stage, wei};
use golem_protocol::{Address, Wei};
use serde_json::Value;

/// One channel, as both parties and the chain have it.
#[derive(Debug)]
pub struct Book {
    /// What the payee holds a voucher for, and the payer signed.
    pub earned: Wei,
    /// What the chain has paid out.
    pub claimed: Wei,
    /// What is in the channel.
    pub deposit: Wei,
}

/// Reads what `golem channel` says on both sides, where no node runs, and holds it against the voucher and the chain.
pub fn agreed(stage: &Stage, payer: &Node, payee: &Node) -> Book {
    let (payer_address, payee_address) = (payer.address(), payee.address());
    let theirs = row(&payee.json(["channel", "list", "--json"])["as_payee"], "payer", payer_address);
    let ours = row(&payer.json(["channel", "list", "--json"])["as_payer"], "payee", payee_address);
    let voucher = row(&payee.json(["channel", "vouchers", "--json"]), "payer", payer_address);
    let chain = stage.channel(payer, payee);
    let said = format!("payee: {theirs:#}\npayer: {ours:#}\nvoucher: {voucher:#}\nchain: {chain:?}");

    let book = Book { earned: wei(&theirs["earned_wei"]), claimed: chain.claimed, deposit: chain.deposit };
    assert_eq!(voucher["valid"], true, "{said}");
    assert_eq!(wei(&voucher["cumulative_wei"]), book.earned, "the voucher is for what was earned\n{said}");
    assert_eq!(wei(&ours["signed_wei"]), book.earned, "what was earned was signed away\n{said}");
    assert_eq!(wei(&ours["reserved_wei"]), Wei::ZERO, "nothing is held back any more\n{said}");
    for (side, row) in [("payee", &theirs), ("payer", &ours)] {
        assert_eq!(wei(&row["claimed_wei"]), chain.claimed, "the {side} knows what was claimed\n{said}");
        assert_eq!(wei(&row["deposit_wei"]), chain.deposit, "the {side} knows what is in the channel\n{said}");
        assert_eq!(row["epoch"], chain.epoch, "the {side} knows the epoch\n{said}");
    }
    assert_eq!(wei(&theirs["claimable_wei"]), book.earned.saturating_sub(book.claimed), "{said}");
    assert!(book.claimed <= book.earned && book.earned <= book.deposit, "{said}");
    book
}

/// The row of an address.
pub fn row(rows: &Value, field: &str, address: Address) -> Value {
    let named = |row: &&Value| row[field].as_str().and_then(|text| text.parse::<Address>().ok()) == Some(address);
    let found = rows.as_array().and_then(|rows| rows.iter().find(named));
    found.cloned().unwrap_or_else(|| panic!("no row has the {field} {address}:\n{rows:#}"))
}

/// What a claim brought, after checking that it needed one transaction.
pub fn claim(payee: &Node) -> Wei {
    // What the rule says of it: the sum, and why it has waited.
    let rule = payee.json(["channel", "claim", "--dry-run", "--json"])["rule"].clone();
    assert!(rule["reason"].is_string() && rule["gas"]["known"] == "unknown", "{rule:#}");
    let summary = payee.json(["channel", "claim", "--json"]);
    assert_eq!(rule["claimable_wei"], summary["paid_wei"], "{rule:#}");
    assert_eq!(summary["transactions"].as_array().map(Vec::len), Some(1), "one transaction claims all: {summary:#}");
    wei(&summary["paid_wei"])
}

/// The sum of amounts.
pub fn sum(amounts: impl IntoIterator<Item = Wei>) -> Wei {
    amounts.into_iter().fold(Wei::ZERO, |sum, amount| sum.checked_add(amount).expect("a sum that fits"))
}
