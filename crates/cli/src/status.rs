//! `golem status`: how a node stands.

use crate::Answer;
use crate::api::{LiveNode, Role};
use crate::channel::{payee_json, payer_json, print_channels, wei};
use crate::context::{ChainArgs, Context, chain_settings};
use crate::ledger::Ledgers;
use crate::output::{self, Table, short_gnt};
use crate::plan_report::check_cost;
use clap::Args;
use golem_deal::TaskStatus;
use golem_market::CheckRate;
use golem_node::CheckCost;
use golem_protocol::{Address, Wei};
use serde::Deserialize;
use serde_json::{Value, json};

/// Whose status, and how to print it.
#[derive(Args)]
pub struct StatusArgs {
    #[command(flatten)]
    chain: ChainArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Asks the running node, or reads the records where none runs.
pub async fn run(context: &Context, args: StatusArgs) -> anyhow::Result<Answer> {
    let folder = context.folder()?;
    if let Some(node) = LiveNode::find(&folder).await? {
        if args.json {
            output::json(node.status())?;
            return Ok(Answer::Yes);
        }
        output::line(&format!(
            "A {} runs on {}; its page is {}",
            role_name(node.role()?),
            folder.path().display(),
            node.page(output::stdout_is_terminal())
        ))?;
        match node.role()? {
            Role::Provider => provider(node.status())?,
            Role::Requestor => requestor(node.status())?,
        }
        return Ok(Answer::Yes);
    }
    let settings = chain_settings(&folder, &context.config(&folder)?, &args.chain).await?;
    let ledgers = Ledgers::open(&folder, &settings)?;
    let status = json!({
        "role": "none", "node": ledgers.address, "tasks": named_tasks(&ledgers)?,
        "payers": payee_json(&ledgers), "channels": payer_json(&ledgers),
    });
    if args.json {
        output::json(&status)?;
    } else {
        output::line(&format!("No node runs on {}; this is what its records say.", folder.path().display()))?;
        output::line(&format!("node         {}", ledgers.address))?;
        tasks(&status)?;
        print_channels(&status["payers"], &status["channels"])?;
    }
    Ok(Answer::Yes)
}

/// The tasks on record, newest last, with what they are called.
fn named_tasks(ledgers: &Ledgers) -> anyhow::Result<Vec<Value>> {
    let named = |task: &TaskStatus| {
        let mut shown = serde_json::to_value(task)?;
        let on_record = ledgers.on_record.get(&task.header);
        shown["name"] = json!(on_record.map(|task| &task.name));
        shown["begun_ms"] = json!(on_record.map_or(0, |task| task.begun_ms));
        Ok(shown)
    };
    ledgers.tasks.iter().map(named).collect()
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Provider => "provider",
        Role::Requestor => "requestor",
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What both roles show.
fn common(status: &Value) -> anyhow::Result<()> {
    output::line(&format!("node         {}", text(&status["node"])))?;
    let network = &status["network"];
    output::line(&format!("peers        {}", network["peers"]))?;
    for address in network["addresses"].as_array().into_iter().flatten() {
        output::line(&format!("address      {}", text(address)))?;
    }
    output::line(&format!("isolation    {}", text(&status["isolation"])))?;
    let chain = &status["chain"];
    let lost = chain["lost"].as_str().map(|reason| format!(" (no answer: {reason})")).unwrap_or_default();
    output::line(&format!("chain        {}{lost}", chain["chain_id"]))
}

fn provider(status: &Value) -> anyhow::Result<()> {
    common(status)?;
    let activity = &status["activity"];
    let reasons = activity["reasons"].as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join("; ");
    let separator = if reasons.is_empty() { "" } else { ": " };
    output::line(&format!("activity     {}{separator}{reasons}", text(&activity["state"])))?;
    output::line(&format!("slots        {} of {} busy", status["slots_busy"], status["slots"]))?;
    output::line(&format!(
        "speed        {} million fuel a second, each slot",
        status["performance"].as_u64().unwrap_or(0) / 1_000_000
    ))?;
    let last = match status["last_offer_wei"].as_str() {
        Some(_) => format!("{} for an hour that is sold", short_gnt(wei(&status["last_offer_wei"]))),
        None => "none yet".to_owned(),
    };
    output::line(&format!(
        "price        an hour of work costs at least {}, and {} is asked above what it costs; last offer {last}",
        short_gnt(wei(&status["min_price_wei"])),
        percent(&status["margin"])
    ))?;
    for limit in status["limits"].as_array().into_iter().flatten() {
        output::line(&format!("limit        {}", text(limit)))?;
    }
    for seen in status["programs"].as_array().into_iter().flatten() {
        output::line(&format!(
            "program      {} at {} million fuel a second, seen in {}",
            text(&seen["program"]),
            seen["fuel_per_second"].as_u64().unwrap_or(0) / 1_000_000,
            output::count(seen["subtasks"].as_u64().unwrap_or(0), "subtask")
        ))?;
    }
    for left in status["left_alone"].as_array().into_iter().flatten() {
        output::line(&format!(
            "no offers    for the program {}, for {} yet: {}",
            text(&left["program"]),
            output::span(left["left_s"].as_u64().unwrap_or(0)),
            output::tame(&text(&left["detail"]))
        ))?;
    }
    let totals = &status["totals"];
    output::line(&format!(
        "money        {} earned, {} claimable, {} claimed",
        short_gnt(wei(&totals["earned_wei"])),
        short_gnt(wei(&totals["claimable_wei"])),
        short_gnt(wei(&totals["claimed_wei"]))
    ))?;
    let authors = status["authors"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !authors.is_empty() {
        let sum = |field: &str| authors.iter().fold(Wei::ZERO, |sum, row| sum.saturating_add(wei(&row[field])));
        output::line(&format!(
            "kept         {} in vouchers for apps' authors, of which {} claimed by them; none of it is this node's",
            short_gnt(sum("held_wei")),
            short_gnt(sum("claimed_wei"))
        ))?;
    }
    let counters = &status["counters"];
    output::line(&format!(
        "this run     {} offers, {} agreements, {} subtasks done, {} failed, {} rejected, {} claims",
        counters["offers"],
        counters["agreements"],
        counters["completed"],
        counters["failed"],
        counters["rejected"],
        counters["claims"]
    ))?;
    print_channels(&status["payers"], &json!([]))
}

/// A share, for people.
fn percent(share: &Value) -> String {
    let share = share.as_f64().or_else(|| share.as_str()?.parse().ok());
    share.map_or_else(|| "?".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

fn requestor(status: &Value) -> anyhow::Result<()> {
    common(status)?;
    tasks(status)?;
    print_channels(&json!([]), &status["channels"])
}

fn tasks(status: &Value) -> anyhow::Result<()> {
    let mut table = Table::new(&["task", "header", ">subtasks", ">done", ">failed", ">spent", ">fees", ">budget", ""]);
    for task in status["tasks"].as_array().into_iter().flatten() {
        let finished = if task["finished"] == true { "finished" } else { "unfinished" };
        let header = text(&task["header"]);
        table.row([
            task["name"].as_str().unwrap_or("-").to_owned(),
            header.chars().take(10).collect(),
            task["subtasks"].to_string(),
            task["done"].to_string(),
            task["failed"].to_string(),
            short_gnt(wei(&task["spent_wei"])),
            short_gnt(wei(&task["fees_wei"])),
            short_gnt(wei(&task["budget_wei"])),
            finished.to_owned(),
        ]);
    }
    if table.len() > 0 {
        output::line(table.render().trim_end())?;
    }
    for task in status["tasks"].as_array().into_iter().flatten() {
        if let Some(text) = CheckCost::deserialize(&task["checks"]).ok().and_then(|cost| check_cost(&cost)) {
            output::line(&format!("{}: {text}", text_of(&task["name"])))?;
        }
        for share in task["providers"].as_array().into_iter().flatten() {
            let Ok(rate) = CheckRate::deserialize(&share["check"]) else { continue };
            output::line(&format!("{}: {}: {rate}", text_of(&task["name"]), text(&share["provider"])))?;
        }
    }
    Ok(())
}

fn text_of(name: &Value) -> &str {
    name.as_str().unwrap_or("-")
}

/// An amount and an address out of a status, for those who compare them.
pub fn row_amount(rows: &Value, field: &str, address: &Address, amount: &str) -> Option<Wei> {
    let wanted = address.to_string().to_lowercase();
    let row = rows.as_array()?.iter().find(|row| text(&row[field]).to_lowercase() == wanted)?;
    row[amount].as_str()?.parse().ok().map(Wei)
}
