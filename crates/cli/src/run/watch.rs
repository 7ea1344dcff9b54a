//! A task that goes on: watched to its end, its results gathered, and what came of it printed.

use super::failures;
use super::quiet::Standing;
use super::terms::TermArgs;
use crate::Answer;
use crate::output::{self, Table, at_most_gnt, count, short_gnt};
use crate::plan_report;
use crate::preview::Watching;
use crate::process::StopSignals;
use crate::progress::TaskScreen;
use anyhow::{Context as _, bail};
use golem_deal::RequestorEvent;
use golem_node::{
    CollectError, Collected, FailedSubtask, MergeBy, NamedTask, RequestorHandle, RequestorNotice, TaskError,
    TaskHandle, TaskProgress, TaskReport, Watched,
};
use golem_protocol::{B256, NodeId, Wei};
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// How often it is looked whether copies are still under way once all results are here.
const COPIES_LOOKED_AT_EVERY: Duration = Duration::from_millis(500);
/// How often it is looked whether anything goes on.
const WAITING_LOOKED_AT_EVERY: Duration = Duration::from_secs(5);

/// A task on a node that runs here, and where its results go.
pub(super) struct Task<'a> {
    pub node: &'a RequestorHandle,
    pub header: B256,
    pub out: &'a Path,
    /// How its results are put together, where not as it was kept with it.
    pub by: Option<&'a MergeBy>,
}

/// What came of a task.
pub(super) struct Ran {
    header: B256,
    report: Option<TaskReport>,
    error: Option<NotWhole>,
    failed: Vec<FailedSubtask>,
    /// What the screen said was spent, where it said so.
    shown: Option<Wei>,
    refusals: Vec<(NodeId, String)>,
    collected: Collected,
}

/// Why there is no whole result.
enum NotWhole {
    /// Not every subtask has one.
    Task(TaskError),
    /// They are all here, and did not become one.
    Merge(CollectError),
}

impl NotWhole {
    fn text(&self) -> String {
        match self {
            NotWhole::Task(error) => error.to_string(),
            NotWhole::Merge(error) => {
                format!("all results are here and paid for, and could not be put together: {error}")
            }
        }
    }
}

/// Puts results together. Where the program that does it fails, they are there one by one, below `partial`.
async fn gather(task: &Task<'_>) -> anyhow::Result<(Collected, Option<NotWhole>)> {
    let Task { node, header, out, by } = task;
    match node.merge(*header, *by, out).await {
        Ok(collected) => Ok((collected, None)),
        Err(error @ (CollectError::Merge { .. } | CollectError::Sandbox(_))) => {
            let collected = node.collect(*header, &out.join("partial")).await?;
            Ok((collected, Some(NotWhole::Merge(error))))
        }
        Err(gone @ CollectError::Gone { .. }) => Err(gone.into()),
        Err(error) => Err(error).with_context(|| {
            format!(
                "all results are paid for and kept, and could not be written; `golem run --resume={header} -o FOLDER` does \
                 it again and costs nothing"
            )
        }),
    }
}

/// Gathers what there is of a task that is not whole. One that would be put together leaves its pieces apart from where the
/// whole will be.
pub(super) async fn pieces(task: &Task<'_>) -> Result<Collected, CollectError> {
    let Task { node, header, out, by } = task;
    match node.merge(*header, *by, out).await {
        Err(CollectError::Unfinished { .. }) => node.collect(*header, &out.join("partial")).await,
        gathered => gathered,
    }
}

/// Puts the results of a task that is whole together again.
pub(super) async fn gather_again(task: &Task<'_>) -> anyhow::Result<Ran> {
    note!("All its results are here and paid for: they are put together again, and nothing is bought.");
    let (collected, error) = gather(task).await?;
    Ok(Ran {
        header: task.header,
        report: None,
        error,
        failed: Vec::new(),
        shown: None,
        refusals: Vec::new(),
        collected,
    })
}

/// Watches a task to its end, and gathers what it made.
pub(super) async fn follow(
    task: Task<'_>,
    mut handle: TaskHandle,
    mut screen: TaskScreen,
    mut watching: Option<Watching>,
    signals: &mut StopSignals,
) -> anyhow::Result<Ran> {
    let Task { node, header, out, .. } = task;
    let mut asked = false;
    let mut waiting = tokio::time::interval(WAITING_LOOKED_AT_EVERY);
    waiting.tick().await;
    let ended = loop {
        tokio::select! {
            progress = handle.next() => match progress {
                TaskProgress::Watched(Watched::Event(event)) => {
                    screen.event(&event.event);
                    let news = matches!(event.event, RequestorNotice::Deal(RequestorEvent::Accepted { header: of, .. }) if of == header);
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
                handle.stop().await?;
            }
        }
    };
    screen.end();
    let (refusals, shown) = (screen.refusals(), Some(screen.spent()));
    match ended {
        Ok(report) => {
            if let Some(watching) = &mut watching {
                watching.end().await;
            }
            let (collected, error) = gather(&task).await?;
            if let Some(watching) = watching.as_ref().filter(|_| error.is_none()) {
                watching.clear(&collected);
            }
            Ok(Ran { header, report: Some(report), error, failed: Vec::new(), shown, refusals, collected })
        }
        Err(error) => {
            let failed = node.failed(header).await?;
            let collected = pieces(&task).await.with_context(|| output::tame(&error.to_string()))?;
            if let Some(watching) = watching.as_mut().filter(|_| !collected.files.is_empty()) {
                draw_last(watching, node, header, &screen, signals).await;
            }
            Ok(Ran { header, report: None, error: Some(NotWhole::Task(error)), failed, shown, refusals, collected })
        }
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
            note!(
                "The results are here. Further copies that are agreed are still under way, {} at most, and are waited for; \
                 Ctrl-C leaves, and they are paid when this data folder is used next.",
                at_most_gnt(reserved)
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
    out: &Path,
    signals: &mut StopSignals,
) -> anyhow::Result<Answer> {
    if let Ok(Ran { header, error: None, .. }) = &ran {
        wait_for_copies(&node, *header, signals).await;
    }
    let status = node.status().await.ok();
    let stopped = node.shutdown().await;
    let ran = ran?;
    if let Err(error) = &stopped {
        note!("{error}");
    }
    let kept = failures::keep(ran.header, &ran.failed, out).unwrap_or_else(|error| {
        note!("{}", output::error_text(&error));
        None
    });
    let now_s = status.as_ref().map_or(0, |status| status.chain.time_s);
    let task = status.and_then(|status| status.tasks.into_iter().find(|task| task.task.header == ran.header));
    let spent = task.as_ref().map_or(Wei::ZERO, |task| task.task.spent);
    let fees = task.as_ref().map_or(Wei::ZERO, |task| task.task.fees);
    let providers = task.as_ref().map(|task| task.providers.clone()).unwrap_or_default();
    if args.json {
        output::json(&json!({
            "header": ran.header,
            "finished": ran.error.is_none(),
            "error": ran.error.as_ref().map(NotWhole::text),
            "subtasks": task.as_ref().map(|task| task.task.subtasks),
            "done": task.as_ref().map(|task| task.task.done),
            "failed": task.as_ref().map(|task| task.task.failed),
            "failures": ran.failed,
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
        let mut table = Table::new(&[
            "provider",
            ">last offer an hour",
            ">score",
            ">subtasks",
            ">not accepted",
            ">paid",
            ">check rate",
        ]);
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
        let to_author =
            if fees == Wei::ZERO { String::new() } else { format!(", and {} for the app's author", short_gnt(fees)) };
        let copies = task.as_ref().is_some_and(|task| task.checks.copies > 0);
        let later = ran.shown.filter(|shown| copies && *shown < spent.saturating_add(fees));
        let later = later.map(|shown| {
            format!(
                "; {} of it came after the last line above, for copies",
                short_gnt(Wei(spent.saturating_add(fees).0 - shown.0))
            )
        });
        output::line(&format!("{} spent{to_author}{wall}{}.", short_gnt(spent), later.unwrap_or_default()))?;
        if let Some(task) = &task {
            output::line(&plan_report::check_cost_line(&task.checks))?;
        }
        print_files(&ran.collected)?;
    }
    match ran.error {
        None => Ok(Answer::Yes),
        Some(error) => {
            note!("golem: {}", output::tame(&told(&error, &ran.failed)));
            let failed = failures::listed(&ran.failed, kept.as_deref());
            if !failed.is_empty() {
                note!("{}", failed.trim_end());
            }
            note!("{}", next_step(&error, ran.header, task.as_ref(), now_s, out));
            Ok(Answer::No)
        }
    }
}

/// What went wrong, in one sentence where each of those that failed is told of below it.
fn told(error: &NotWhole, failed: &[FailedSubtask]) -> String {
    match error {
        NotWhole::Task(TaskError::Failed { failed: number, subtasks, .. }) if !failed.is_empty() => {
            format!("{number} of {} failed:", count(*subtasks, "subtask"))
        }
        other => other.text(),
    }
}

/// What can be done with a task that did not come to its whole result.
fn next_step(error: &NotWhole, header: B256, task: Option<&NamedTask>, now_s: u64, out: &Path) -> String {
    let again = format!("`golem run --resume={header} -o {}`", out.display());
    let kept = if task.is_some_and(|task| task.task.done > 0) { "What is done is paid for and kept. " } else { "" };
    match error {
        NotWhole::Merge(_) => format!(
            "They are in {} one by one, and kept. {again} puts them together again and costs nothing: add --NAME VALUE for \
             parameters that only the merge reads, or more for --memory-max, --fuel-max or --timeout. Where a manifest is \
             named before --resume, it and its module are taken as they are then.",
            out.join("partial").display()
        ),
        NotWhole::Task(TaskError::Failed { .. }) if task.is_some_and(|task| task.deadline_s < now_s) => format!(
            "{kept}The deadline has passed, so what failed cannot be tried again in this task: run those inputs as a task of \
             their own."
        ),
        NotWhole::Task(TaskError::Failed { .. }) => format!(
            "{kept}{again} tries what failed again. What fails by the program itself fails again: mend it, and run those \
             inputs as a task of their own."
        ),
        NotWhole::Task(TaskError::BudgetReached { .. }) => format!(
            "{kept}The budget of a task is fixed: run what is missing as a task of its own, with more for --budget. {again} \
             goes on only where somebody asks less than now."
        ),
        NotWhole::Task(TaskError::Halted { .. } | TaskError::Stopped(_) | TaskError::Unsaved { .. }) => {
            format!("{kept}{again} goes on.")
        }
    }
}

fn print_files(collected: &Collected) -> anyhow::Result<()> {
    output::files(collected.files.iter().map(|file| (file.path.as_path(), file.bytes)))?;
    if !collected.missing.is_empty() {
        note!("{} without a result.", count(collected.missing.len(), "subtask"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(error: NotWhole) -> String {
        next_step(&error, B256::repeat_byte(0x12), None, 5, Path::new("here"))
    }

    #[test]
    fn the_next_step_fits_what_went_wrong_and_names_the_folder() {
        let merge = step(NotWhole::Merge(CollectError::Merge { detail: "no".into() }));
        for part in ["here/partial", "--resume=0x1212", "-o here", "costs nothing", "--memory-max"] {
            assert!(merge.contains(part), "lacks `{part}`: {merge}");
        }
        let budget = step(NotWhole::Task(TaskError::BudgetReached { open: 2 }));
        assert!(budget.contains("a task of its own") && budget.contains("--budget"), "{budget}");
        let failed = step(NotWhole::Task(TaskError::Failed { failed: 1, subtasks: 2, last_detail: String::new() }));
        assert!(failed.contains("tries what failed again") && !failed.contains("is done"), "nothing was: {failed}");
        assert!(step(NotWhole::Task(TaskError::Halted { open: 1 })).ends_with("-o here` goes on."));
    }

    #[test]
    fn those_that_failed_are_told_of_once() {
        let error = NotWhole::Task(TaskError::Failed { failed: 1, subtasks: 1, last_detail: "it trapped".into() });
        assert!(told(&error, &[]).contains("it trapped"));
        let failed = [FailedSubtask { index: 0, name: "a".into(), reason: "it trapped".into() }];
        assert_eq!(told(&error, &failed), "1 of 1 subtask failed:");
    }
}
