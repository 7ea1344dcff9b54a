use crate::explain::{ExplainError, INPUT_BYTES_MAX, QuoteReport, quote_json, rank_json};
use crate::{Ratio, SettingsError};
use golem_protocol::{RefusalReason, Wei};

const A: &str = "0x00000000000000000000000000000000000000a1";
const B: &str = "0x00000000000000000000000000000000000000b2";

fn offers(offers: &str) -> String {
    format!(
        r#"{{"header": {{"max_price_wei_per_hour": "100", "min_perf": 10}}, "settings": {{"rules": "published"}}, "offers": [{offers}]}}"#
    )
}

fn state(rest: &str) -> String {
    format!(
        r#"{{"settings": {{"rules": "published", "min_price_wei_per_hour": 100}}, "header": {{"max_price_wei_per_hour": "1000"}}{rest}}}"#
    )
}

#[test]
fn refuses_files_that_are_not_as_documented() {
    for bad in [
        "",
        "[]",
        &offers(&format!(r#"{{"provider": "{A}", "price_wei_per_hour": "1", "colour": 1}}"#)),
        &offers(&format!(r#"{{"provider": "{A}", "price_wei_per_hour": "-1"}}"#)),
        &offers(&format!(r#"{{"provider": "{A}", "price_wei_per_hour": 1.5}}"#)),
        &offers(&format!(r#"{{"provider": "{A}", "price_wei_per_hour": "{}"}}"#, 1u128 << 96)),
        &offers(r#"{"provider": "0xa1", "price_wei_per_hour": "1"}"#),
    ] {
        assert!(matches!(rank_json(bad), Err(ExplainError::Json(_))), "{bad}");
    }
    assert!(matches!(quote_json(&state(r#", "spent": {"asleep_s": 1}"#)), Err(ExplainError::Json(_))));
    let long = " ".repeat(INPUT_BYTES_MAX + 1);
    assert!(matches!(rank_json(&long), Err(ExplainError::TooLong { .. })));
}

#[test]
fn refuses_offers_that_no_node_could_see() {
    let one = format!(r#"{{"provider": "{A}", "price_wei_per_hour": "1"}}"#);
    let many = vec![one.as_str(); 4097].join(",");
    assert!(matches!(rank_json(&offers(&many)), Err(ExplainError::TooManyOffers { got: 4097, max: 4096 })));
    let other = format!(r#"{{"provider": "{A}", "price_wei_per_hour": "1", "history": {{"success": 1}}}}"#);
    let both = offers(&format!("{one},{other}"));
    assert!(matches!(rank_json(&both), Err(ExplainError::TwoHistories { first: 0, second: 1, .. })));
    let reach = |history: &str| {
        rank_json(&offers(&format!(r#"{{"provider": "{A}", "price_wei_per_hour": "1", "history": {history}}}"#)))
    };
    assert!(matches!(reach(r#"{"success": 9, "failed": 2}"#), Err(ExplainError::OutOfReach { .. })));
    assert!(matches!(reach(r#"{"efficiency": 0}"#), Err(ExplainError::OutOfReach { field: "efficiency", .. })));
}

#[test]
fn refuses_states_that_no_node_could_have() {
    let out = quote_json(&state(r#", "factor": 9"#));
    assert!(matches!(out, Err(ExplainError::OutOfReach { field: "factor", .. })));
    let owed = quote_json(&state(r#", "requestor": {"assigned_wei": "1", "owed_wei": "2"}"#));
    assert!(matches!(owed, Err(ExplainError::OwedAboveAssigned { owed: Wei(2), assigned: Wei(1) })));
    let long = quote_json(&state(r#", "spent": {"idle_s": 99999999999}"#));
    assert!(matches!(long, Err(ExplainError::SpentTooLong { .. })));
    let settings =
        r#"{"settings": {"min_price_wei_per_hour": 1, "credit_hours": 0}, "header": {"max_price_wei_per_hour": 1}}"#;
    assert!(matches!(quote_json(settings), Err(ExplainError::Settings(SettingsError::CreditHours { .. }))));
}

#[test]
fn ranks_the_published_example() {
    let report = rank_json(&offers(&format!(
        r#"{{"provider": "{B}", "price_wei_per_hour": "101"}}, {{"provider": "{A}", "price_wei_per_hour": 80}}"#
    )))
    .unwrap();
    assert_eq!(report.ranked[0].score.score, Ratio::from_f64(0.9275).unwrap());
    assert_eq!(report.refused[0].reason, RefusalReason::PriceAboveMax { price: Wei(101), max_price: Wei(100) });
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["ranked"][0]["score"].as_f64(), Some(0.9275));
    assert_eq!(json["ranked"][0]["price_wei_per_hour"], "80");
    assert_eq!(json["ranked"][0]["rank"], 1);
    let table = report.to_string();
    assert!(table.contains("0.9275") && table.contains("refused: the price of"), "{table}");
}

#[test]
fn quotes_with_every_term() {
    let QuoteReport::Offered(quote) = quote_json(&state("")).unwrap() else { panic!("refused") };
    assert_eq!((quote.price, quote.base_price), (Wei(120), Wei(120)));
    let later = quote_json(&state(r#", "spent": {"busy_s": 3600}"#)).unwrap();
    assert!(later.to_string().contains("0.230976822"), "{later}");
    let json = serde_json::to_value(&later).unwrap();
    assert_eq!(json["offered"]["price_wei_per_hour"], "123");
    let debt = r#", "requestor": {"assigned_wei": "9000", "owed_wei": "9000"}"#;
    let refused = quote_json(&state(debt)).unwrap();
    assert!(matches!(refused, QuoteReport::Refused { reason: RefusalReason::CreditExceeded { .. }, .. }));
    assert!(refused.to_string().starts_with("no offer: "));
}
