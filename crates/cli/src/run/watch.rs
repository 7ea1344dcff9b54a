//! A task that goes on: watched to its end, its results gathered, and what came of it printed.

use super::quiet::Standing;
use super::terms::TermArgs;
use crate::Answer;
use crate::output::{self, Table, count, short_gnt};
use crate::plan_report;
use crate::preview::Watching;
use crate::process::StopSignals;
use crate::progress::TaskScreen;
use anyhow::{Context as _, bail};
use golem_deal::RequestorEvent;
use golem_node::{
    CollectError, Collected, RequestorHandle, RequestorNotice, TaskError, TaskHandle, TaskProgress, TaskReport, Watched,
};
use golem_protocol::{B256, NodeId, Wei};
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// How often it is looked whether copies are still under way once all results are here.
const COPIES_LOOKED_AT_EVERY: Duration = Duration::from_millis(500);
/// How often it is looked whether anything goes on.
const WAITING_LOOKED_AT_EVERY: Duration = Duration::from_secs(5);

/// What came of a task.
pub(super) struct Ran {
    header: B256,
    report: Option<TaskReport>,
    error: Option<TaskError>,
    refusals: Vec<(NodeId, String)>,
    collected: Collected,
}

/// Watches a task to its end, and gathers what it made.
pub(super) async fn follow(
    node: &RequestorHandle,
    mut task: TaskHandle,
    mut screen: TaskScreen,
    mut watching: Option<Watching>,
    signals: &mut StopSignals,
    out: &Path,
) -> anyhow::Result<Ran> {
    let header = task.header();
    let mut asked = false;
    let mut waiting = tokio::time::interval(WAITING_LOOKED_AT_EVERY);
    waiting.tick().await;
    let ended = loop {
        tokio::select! {
            progress = task.next() => match progress {
                TaskProgress::Watched(Watched::Event(event)) => {
                    screen.event(&event.event);
                    let news = matches!(event.event, RequestorNotice::Deal(RequestorEvent::Accepted { .. }));
                    if let (true, Some(watching)) = (news, &mut watching) {
                        look(watching, node, header, &screen).await;
                    }
                }
                TaskProgress::Watched(Watched::Missed(missed)) => screen.say(&format!("{missed} events were too fast to show")),
                TaskProgress::Finished(ended) => break ended,
            },
            _ = waiting.tick() => {
                let status = node.status().await?;
                if let Some(task) = status.tasks.iter().find(|task| task.task.header == header) {
                    let (peers, agreed) = (status.network.peers, task.task.agreed);
                    let left_s = task.deadline_s.saturating_sub(status.chain.time_s);
                    screen.quiet(&Standing { peers, agreed, left_s });
                }
            },
            _ = signals.next() => {
                if asked {
                    screen.end();
                    bail!("stopped at once; take the task up again with `golem run --resume={header} -o {}`", out.display());
                }
                asked = true;
                screen.say("Stopping: what is agreed may end and is paid. Ctrl-C once more stops at once.");
                task.stop().await?;
            }
        }
    };
    screen.end();
    let refusals = screen.refusals();
    match ended {
        Ok(report) => {
            if let Some(watching) = &mut watching {
                watching.end().await;
            }
            let collected = match node.merge(header, out).await {
                Err(gone @ CollectError::Gone { .. }) => return Err(gone.into()),
                merged => merged.context("all results are here and paid for, and could not be put together")?,
            };
            if let Some(watching) = &watching {
                watching.clear(&collected);
            }
            Ok(Ran { header, report: Some(report), error: None, refusals, collected })
        }
        Err(error) => {
            let collected = gather(node, header, out).await.with_context(|| output::tame(&error.to_string()))?;
            if let Some(watching) = watching.as_mut().filter(|_| !collected.files.is_empty()) {
                draw_last(watching, node, header, &screen, signals).await;
            }
            Ok(Ran { header, report: None, error: Some(error), refusals, collected })
        }
    }
}

/// Gathers what there is of a task. One that would be put together leaves its pieces apart from where the whole will be.
pub(super) async fn gather(node: &RequestorHandle, header: B256, out: &Path) -> Result<Collected, CollectError> {
    match node.merge(header, out).await {
        Err(CollectError::Unfinished { .. }) => node.collect(header, &out.join("partial")).await,
        gathered => gathered,
    }
}

/// Draws what there is. A task goes on where that cannot be done.
pub(super) async fn look(watching: &mut Watching, node: &RequestorHandle, header: B256, screen: &TaskScreen) {
    if let Err(error) = watching.look(node, header).await {
        screen.say(&format!("no preview: {}", output::error_text(&error)));
    }
}

/// Draws what came in of a task that will not be whole. A signal ends that.
async fn draw_last(
    watching: &mut Watching,
    node: &RequestorHandle,
    header: B256,
    screen: &TaskScreen,
    signals: &mut StopSignals,
) {
    let cancel = watching.cancel();
    let drawing = watching.draw_last(node, header);
    tokio::pin!(drawing);
    let drawn = tokio::select! {
        drawn = &mut drawing => drawn,
        _ = signals.next() => {
            cancel.cancel();
            drawing.await
        }
    };
    if let Err(error) = drawn {
        screen.say(&format!("no preview: {}", output::error_text(&error)));
    }
}

/// Waits until every copy that is agreed has ended: somebody works on it, and is paid for it as agreed.
async fn wait_for_copies(node: &RequestorHandle, header: B256, signals: &mut StopSignals) {
    let mut said = false;
    let mut look = tokio::time::interval(COPIES_LOOKED_AT_EVERY);
    loop {
        look.tick().await;
        let Ok(status) = node.status().await else { return };
        let task = status.tasks.iter().find(|task| task.task.header == header);
        let Some(reserved) = task.map(|task| task.task.reserved).filter(|reserved| *reserved > Wei::ZERO) else {
            return;
        };
        if !said {
            said = true;
            eprintln!(
                "The results are here. Further copies that are agreed are still under way, {reserved} at most, and are \
                 waited for; Ctrl-C leaves, and they are paid when this data folder is used next."
            );
        }
        tokio::select! {
            _ = signals.next() => return,
            () = tokio::time::sleep(COPIES_LOOKED_AT_EVERY) => {}
        }
    }
}

/// Delivers the last vouchers, stops the node, and prints what came of it.
pub(super) async fn finish(
    ran: anyhow::Result<Ran>,
    node: RequestorHandle,
    args: &TermArgs,
    signals: &mut StopSignals,
) -> anyhow::Result<Answer> {
    if let Ok(Ran { header, error: None, .. }) = &ran {
        wait_for_copies(&node, *header, signals).await;
    }
    let status = node.status().await.ok();
    let stopped = node.shutdown().await;
    let ran = ran?;
    if let Err(error) = &stopped {
        eprintln!("{error}");
    }
    let task = status.and_then(|status| status.tasks.into_iter().find(|task| task.task.header == ran.header));
    let spent = task.as_ref().map_or(Wei::ZERO, |task| task.task.spent);
    let fees = task.as_ref().map_or(Wei::ZERO, |task| task.task.fees);
    let providers = task.as_ref().map(|task| task.providers.clone()).unwrap_or_default();
    if args.json {
        output::json(&json!({
            "header": ran.header,
            "finished": ran.error.is_none(),
            "error": ran.error.as_ref().map(ToString::to_string),
            "subtasks": task.as_ref().map(|task| task.task.subtasks),
            "done": task.as_ref().map(|task| task.task.done),
            "failed": task.as_ref().map(|task| task.task.failed),
            "spent_wei": spent,
            "fees_wei": fees,
            "budget_wei": task.as_ref().map(|task| task.task.budget),
            "checks": task.as_ref().map(|task| task.checks),
            "wall_ms": ran.report.as_ref().map(|report| report.wall_ms),
            "providers": providers,
            "refusals": ran.refusals.iter().map(|(provider, reason)| json!({ "provider": provider, "reason": reason }))
                .collect::<Vec<_>>(),
            "files": ran.collected.files,
            "missing": ran.collected.missing,
        }))?;
    } else {
        let mut table =
            Table::new(&["provider", ">offered an hour", ">score", ">subtasks", ">not accepted", ">paid", ">checked"]);
        for share in &providers {
            table.row([
                share.provider.to_string(),
                short_gnt(share.offered_price_wei_per_hour),
                format!("{:.4}", share.score_ppm as f64 / 1e6),
                share.subtasks.to_string(),
                share.rejected.to_string(),
                short_gnt(share.paid_wei),
                share.check.map_or_else(|| "-".to_owned(), |rate| format!("{:.2} %", f64::from(rate.check_ppm) / 1e4)),
            ]);
        }
        if table.len() > 0 {
            output::line(table.render().trim_end())?;
        }
        let wall = ran
            .report
            .as_ref()
            .map(|report| format!(" in {:.1} s", report.wall_ms as f64 / 1000.0))
            .unwrap_or_default();
        let to_author = if fees == Wei::ZERO { String::new() } else { format!(", and {fees} for the app's author") };
        output::line(&format!("{spent} spent{to_author}{wall}."))?;
        if let Some(text) = task.as_ref().and_then(|task| plan_report::check_cost(&task.checks)) {
            output::line(&text)?;
        }
        print_files(&ran.collected)?;
    }
    match ran.error {
        None => Ok(Answer::Yes),
        Some(error) => {
            eprintln!("golem: {}", output::tame(&error.to_string()));
            let what = if matches!(error, TaskError::Failed { .. }) { "tries what failed again" } else { "goes on" };
            eprintln!("What is done is paid for and kept: `golem run --resume={} -o FOLDER` {what}.", ran.header);
            Ok(Answer::No)
        }
    }
}

fn print_files(collected: &Collected) -> anyhow::Result<()> {
    output::files(collected.files.iter().map(|file| (file.path.as_path(), file.bytes)))?;
    if !collected.missing.is_empty() {
        eprintln!("{} without a result.", count(collected.missing.len(), "subtask"));
    }
    Ok(())
}
