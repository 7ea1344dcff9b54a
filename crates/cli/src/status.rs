//! `golem status`: how a node stands.

use crate::Answer;
use crate::api::{LiveNode, Role};
use crate::bundled::{program_name, with_names};
use crate::channel::{payee_json, payer_json, print_channels, wei};
use crate::context::{ChainArgs, Context, chain_settings};
use crate::ledger::Ledgers;
use crate::output::{self, Table, short_gnt};
use crate::plan_report::check_cost;
use clap::Args;
use golem_deal::TaskStatus;
use golem_market::CheckRate;
use golem_node::CheckCost;
use golem_protocol::{Address, ContentHash, Wei};
use serde::Deserialize;
use serde_json::{Value, json};

/// How many tasks that ended are shown where nobody asks for all. Reason: a screen has some twenty lines.
const ENDED_SHOWN: usize = 12;

/// Whose status, and how to print it.
#[derive(Args)]
pub struct StatusArgs {
    #[command(flatten)]
    chain: ChainArgs,
    /// Show tasks that ended long ago too, and how the providers of all of them were checked
    #[arg(long)]
    all: bool,
    /// Print JSON, of all tasks
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
            Role::Requestor => requestor(node.status(), args.all)?,
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
        tasks(&status, args.all)?;
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
        Some(_) => format!("{} an hour", short_gnt(wei(&status["last_offer_wei"]))),
        None => "none yet".to_owned(),
    };
    output::line(&format!(
        "price        an hour of work costs at least {}, and {} is asked above what it costs; last offer {last} (in a tender an \
         hour of timeout, of which a part is work)",
        short_gnt(wei(&status["min_price_wei"])),
        percent(&status["margin"])
    ))?;
    for limit in status["limits"].as_array().into_iter().flatten() {
        output::line(&format!("limit        {}", with_names(&text(limit))))?;
    }
    for seen in status["programs"].as_array().into_iter().flatten() {
        output::line(&format!(
            "program      {} at {} million fuel a second, seen in {}",
            program(&seen["program"]),
            seen["fuel_per_second"].as_u64().unwrap_or(0) / 1_000_000,
            output::count(seen["subtasks"].as_u64().unwrap_or(0), "subtask")
        ))?;
    }
    for left in status["left_alone"].as_array().into_iter().flatten() {
        output::line(&format!(
            "no offers    for the program {}, for {} yet: {}",
            program(&left["program"]),
            output::span(left["left_s"].as_u64().unwrap_or(0)),
            output::tame(&text(&left["detail"]))
        ))?;
    }
    let unpaid = &status["unpaid"];
    if let Some(late @ 1..) = unpaid["late"].as_u64() {
        output::line(&format!("late         {}, offered nothing until paid", output::count(late, "requestor")))?;
    }
    if let Some(left_s) = unpaid["closed_s"].as_u64() {
        output::line(&format!(
            "strangers    left {} of work unpaid: nobody new is worked for, for {} yet",
            short_gnt(wei(&unpaid["lost_wei"])),
            output::span(left_s)
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

fn requestor(status: &Value, all: bool) -> anyhow::Result<()> {
    common(status)?;
    tasks(status, all)?;
    print_channels(&json!([]), &status["channels"])
}

/// What people call a program in a status.
fn program(digest: &Value) -> String {
    ContentHash::deserialize(digest).map_or_else(|_| text(digest), |digest| program_name(&digest))
}

/// Which tasks are shown: those that go on first, then the newest; of those that ended some.
fn shown(status: &Value, all: bool) -> (Vec<&Value>, usize) {
    let mut tasks: Vec<&Value> = status["tasks"].as_array().into_iter().flatten().collect();
    tasks.sort_by_key(|task| (goes_on(task), task["begun_ms"].as_u64()));
    tasks.reverse();
    let ended = tasks.iter().filter(|task| !goes_on(task)).count();
    let left_out = if all { 0 } else { ended.saturating_sub(ENDED_SHOWN) };
    tasks.truncate(tasks.len() - left_out);
    (tasks, left_out)
}

fn goes_on(task: &Value) -> bool {
    task["finished"] != true
}

fn tasks(status: &Value, all: bool) -> anyhow::Result<()> {
    let (tasks, left_out) = shown(status, all);
    let mut table = Table::new(&["task", "header", ">subtasks", ">done", ">failed", ">spent", ">fees", ">budget", ""]);
    for task in &tasks {
        table.row([
            task["name"].as_str().unwrap_or("-").to_owned(),
            brief(&task["header"]),
            task["subtasks"].to_string(),
            task["done"].to_string(),
            task["failed"].to_string(),
            short_gnt(wei(&task["spent_wei"])),
            short_gnt(wei(&task["fees_wei"])),
            short_gnt(wei(&task["budget_wei"])),
            if goes_on(task) { "unfinished" } else { "finished" }.to_owned(),
        ]);
    }
    if table.len() > 0 {
        output::line(table.render().trim_end())?;
    }
    if left_out > 0 {
        output::line(&format!("... and {} that ended before; --all shows them", output::count(left_out, "task")))?;
    }
    for task in tasks.into_iter().filter(|task| all || goes_on(task)) {
        let name = format!("{} {}", text_of(&task["name"]), brief(&task["header"]));
        if let Some(text) = CheckCost::deserialize(&task["checks"]).ok().and_then(|cost| check_cost(&cost)) {
            output::line(&format!("{name}: {text}"))?;
        }
        for share in task["providers"].as_array().into_iter().flatten() {
            let Ok(rate) = CheckRate::deserialize(&share["check"]) else { continue };
            output::line(&format!("{name}: {}: {rate}", text(&share["provider"])))?;
        }
    }
    Ok(())
}

/// So much of a task's digest that it can be named by it.
fn brief(header: &Value) -> String {
    text(header).chars().take(10).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_goes_on_first_then_the_newest_and_not_all_that_ended() {
        let task =
            |begun: u64, finished: bool| json!({"name": begun.to_string(), "begun_ms": begun, "finished": finished});
        let tasks: Vec<Value> = (0..20).map(|begun| task(begun, begun != 3 && begun != 7)).collect();
        let status = json!({ "tasks": tasks });
        let names = |all: bool| {
            let (tasks, left_out) = shown(&status, all);
            (tasks.into_iter().map(|task| text_of(&task["name"]).to_owned()).collect::<Vec<_>>(), left_out)
        };
        let (some, left_out) = names(false);
        assert_eq!((some.len(), left_out), (2 + ENDED_SHOWN, 6));
        assert_eq!(some[..4], ["7", "3", "19", "18"]);
        assert_eq!(names(true).0.len(), 20);
        assert_eq!(names(true).0.last().map(String::as_str), Some("0"));
    }

    #[test]
    fn names_a_program_that_ships_and_no_other() {
        let mine = crate::bundled::find("mine").unwrap();
        let digest = ContentHash(golem_protocol::B256::from(*blake3::hash(mine.module()).as_bytes()));
        assert_eq!(program(&json!(digest)), "mine");
        let other = golem_protocol::B256::repeat_byte(7);
        assert_eq!(program(&json!(other)), other.to_string());
    }
}
