//! A task of an earlier run, taken up again: which one, and how its results become one.

use super::terms::TermArgs;
use super::watch::{Task, finish, follow, gather_again, look, pieces};
use super::{started, writable};
use crate::Answer;
use crate::apps::{self, Cut, Source};
use crate::context::Context;
use crate::output::{count, short_digest};
use crate::preview::Watching;
use crate::progress::TaskScreen;
use crate::workbench::Talk;
use anyhow::{Context as _, bail};
use golem_node::folder::Folder;
use golem_node::{MergeBy, NamedTask, RequestorHandle, SourceNote};
use golem_protocol::B256;
use std::path::Path;

/// What was asked to be taken up.
pub(super) struct Asked<'a> {
    /// The beginning of a header's digest; empty for the only task there is.
    pub header: &'a str,
    /// The app or manifest that it must be of.
    pub app: Option<&'a str>,
    /// Parameters that are to have another value.
    pub parameters: &'a [(String, String)],
}

/// A task of this folder, as far as the choice goes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Candidate {
    header: B256,
    name: String,
    subtasks: u32,
    done: u32,
    failed: u32,
    finished: bool,
    too_late: bool,
    gathered: bool,
    source: Option<SourceNote>,
}

impl Candidate {
    fn new(task: &NamedTask, now_s: u64, source: Option<SourceNote>) -> Candidate {
        Candidate {
            header: task.task.header,
            name: task.name.clone(),
            subtasks: task.task.subtasks,
            done: task.task.done,
            failed: task.task.failed,
            finished: task.task.finished,
            too_late: task.deadline_s < now_s,
            gathered: task.gathered,
            source,
        }
    }

    fn is_whole(&self) -> bool {
        self.finished && self.failed == 0
    }

    /// What it was taken from, in words.
    fn origin(&self) -> String {
        match &self.source {
            Some(source) => format!("was taken from {}", source.app),
            None => "was begun by `golem map`, or by a release that kept no word of its app".to_owned(),
        }
    }
}

/// Takes up a task of an earlier run.
pub(super) async fn resume(
    context: &Context,
    folder: &Folder,
    asked: Asked<'_>,
    out: &Path,
    args: &TermArgs,
) -> anyhow::Result<Answer> {
    let file = context.config(folder)?;
    writable(out)?;
    let fixed = args.fixed();
    if !fixed.is_empty() {
        bail!("{} cannot change once a task has begun: take it up without, or run it anew", fixed.join(", "));
    }
    let app = asked.app.map(apps::origin).transpose()?;
    let mut signals = args.signals()?;
    let node = started(context, folder, &file, args, args.copy_addresses, &mut signals).await?;
    let ran = async {
        let candidates = candidates(&node, asked.header).await?;
        let chosen = choose(&candidates, asked.header, app.as_deref())
            .with_context(|| format!("nothing of {} is taken up", folder.path().display()))?;
        note!(
            "Taking up {}, {}: {} of {} done{}.",
            chosen.name,
            short_digest(&chosen.header),
            chosen.done,
            count(chosen.subtasks, "subtask"),
            if chosen.failed > 0 { format!(", {} failed", chosen.failed) } else { String::new() }
        );
        let again = asked.app.is_some() || !asked.parameters.is_empty() || args.limits();
        let cut = match again {
            true => Some(cut_again(chosen, asked.parameters, folder, args).await?),
            false => None,
        };
        let by = cut.as_ref().and_then(|cut| Some((cut.plan.merge.clone()?, cut.module.clone())));
        let by = by.map(|(spec, module)| MergeBy { spec, module });
        let task = Task { node: &node, header: chosen.header, out, by: by.as_ref() };
        if chosen.is_whole() {
            return gather_again(&task).await;
        }
        let names = node.subtask_names(chosen.header).await?;
        let status = node.status().await?;
        let standing =
            status.tasks.iter().find(|task| task.task.header == chosen.header).context("the task is gone")?;
        let mut screen = TaskScreen::new(chosen.header, &chosen.name, names, standing.task.budget);
        screen.done_before(standing.task.done, standing.task.spent.saturating_add(standing.task.fees));
        let mut watching = match &cut {
            Some(cut) => Watching::new(folder, cut, out)?,
            None => {
                let shown = node.shown(chosen.header).await?;
                shown.map(|shown| Watching::resumed(folder, shown, out)).transpose()?
            }
        };
        if chosen.finished && chosen.failed > 0 && chosen.too_late && chosen.done > 0 {
            // Nothing of it can be tried again, which is told below.
            pieces(&task).await?;
            note!("What is done of it is in {}.", out.display());
        }
        let handle = node.resume(chosen.header).await?;
        if let Some(watching) = watching.as_mut().filter(|_| standing.task.done > 0) {
            look(watching, &node, chosen.header, &screen).await;
        }
        follow(task, handle, screen, watching, &mut signals).await
    };
    finish(ran.await, node, args, out, &mut signals).await
}

/// The tasks of this folder whose headers begin so.
async fn candidates(node: &RequestorHandle, header: &str) -> anyhow::Result<Vec<Candidate>> {
    let status = node.status().await?;
    let mut candidates = Vec::new();
    for task in status.tasks.iter().filter(|task| task.task.header.to_string().starts_with(header)) {
        let source = node.source(task.task.header).await?;
        candidates.push(Candidate::new(task, status.chain.time_s, source));
    }
    Ok(candidates)
}

/// Which one is meant: one that is unfinished, or else one of which something failed, or else one with results that were not
/// gathered, or, where it was named, any that is whole.
fn choose<'a>(candidates: &'a [Candidate], header: &str, app: Option<&str>) -> anyhow::Result<&'a Candidate> {
    let of_app = |task: &&Candidate| app.is_none_or(|app| task.source.as_ref().is_some_and(|source| source.app == app));
    let fitting: Vec<&Candidate> = candidates.iter().filter(of_app).collect();
    if let (Some(app), true, [named, ..]) = (app, fitting.is_empty() && !header.is_empty(), candidates) {
        bail!(
            "the task {} ({}) {}, and {app} was named: take it up by its header alone",
            named.header,
            named.name,
            named.origin()
        );
    }
    let some = |wanted: &dyn Fn(&Candidate) -> bool| -> Vec<&Candidate> {
        fitting.iter().copied().filter(|task| wanted(task)).collect()
    };
    let mut meant = some(&|task| !task.finished);
    if meant.is_empty() {
        // Of several, who does not name one means one that still can be tried again.
        meant = some(&|task| task.failed > 0 && (!header.is_empty() || !task.too_late));
    }
    if meant.is_empty() {
        meant = some(&|task| task.finished && task.done > 0 && (!header.is_empty() || !task.gathered));
    }
    if let [task] = meant.as_slice() {
        return Ok(task);
    }
    let of = app.map(|app| format!(" of {app}")).unwrap_or_default();
    if !meant.is_empty() {
        let names: Vec<String> = meant.iter().map(|task| format!("{} ({})", task.header, task.name)).collect();
        bail!("there are several such tasks{of}: name one with --resume=HEADER: {}", names.join(", "));
    }
    if !header.is_empty() {
        bail!("there is no task {header}{of} in this data folder; `golem status` lists the tasks");
    }
    bail!(
        "there is no task{of} in this data folder that is unfinished, has failed subtasks, or has results that were not \
         gathered; --resume=HEADER puts the results of one that is done together again, and `golem status` lists the tasks"
    )
}

/// Cuts the task again with other parameters: what only the merge and the preview read may differ.
async fn cut_again(
    task: &Candidate,
    parameters: &[(String, String)],
    folder: &Folder,
    args: &TermArgs,
) -> anyhow::Result<Cut> {
    let Some(note) = task.source.clone() else {
        bail!(
            "the task {} ({}) {}: it has no parameters, and its limits are fixed",
            task.header,
            task.name,
            task.origin()
        );
    };
    let source = Source::again(&note, parameters)?;
    let (folder, talk) = (folder.clone(), Talk::beside(args.json));
    let mut cut = tokio::task::spawn_blocking(move || source.cut(&folder, talk)).await??;
    if cut.digest()? != note.plan {
        bail!("{}", other_plan(task, &note, parameters));
    }
    args.apply(&mut cut.plan);
    Ok(cut)
}

/// Why a task cannot be gone on with so: what was asked, and what it was begun with.
fn other_plan(task: &Candidate, note: &SourceNote, parameters: &[(String, String)]) -> String {
    let differs = parameters.iter().filter_map(|(name, value)| {
        let had = note.parameters.get(name).or_else(|| note.files.get(name));
        (had != Some(value)).then(|| match had {
            Some(had) => format!("--{name} {value} in place of {had}"),
            None => format!("--{name} {value}"),
        })
    });
    let differs: Vec<String> = differs.collect();
    let what = match differs.is_empty() {
        true => format!("{} or what it names has changed since", note.app),
        false => format!("with {}", differs.join(", ")),
    };
    format!(
        "the task {} ({}) was cut into other subtasks: {what}, other results would be needed than those it has. Only what its \
         merge reads can change now; leave the rest as it was, or run the task anew",
        task.header, task.name
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn source(app: &str) -> Option<SourceNote> {
        let parameters = BTreeMap::from([("width".to_owned(), "64".to_owned())]);
        Some(SourceNote { app: app.to_owned(), parameters, files: BTreeMap::new(), plan: B256::ZERO })
    }

    fn task(byte: u8, app: Option<&str>, done: u32, failed: u32) -> Candidate {
        Candidate {
            header: B256::repeat_byte(byte),
            name: app.unwrap_or("map").to_owned(),
            subtasks: 3,
            done,
            failed,
            finished: done + failed == 3,
            too_late: false,
            gathered: true,
            source: app.and_then(source),
        }
    }

    fn refusal(candidates: &[Candidate], header: &str, app: Option<&str>) -> String {
        choose(candidates, header, app).unwrap_err().to_string()
    }

    #[test]
    fn takes_up_the_only_task_that_can_go_on_and_no_other_than_was_asked_for() {
        let [open, failed, whole] = [task(1, Some("mine"), 1, 0), task(2, None, 2, 1), task(3, Some("render"), 3, 0)];
        let all = [open.clone(), failed.clone(), whole.clone()];
        assert_eq!(choose(&all, "", None).unwrap(), &open);
        assert_eq!(choose(&all[1..], "", None).unwrap(), &failed);
        assert_eq!(choose(&all, "", Some("mine")).unwrap(), &open);
        let said = refusal(&all, "", Some("render"));
        assert!(said.contains("of render") && said.contains("--resume=HEADER"), "{said}");
        assert!(refusal(&all[2..], "", None).contains("unfinished, has failed subtasks"));
        let left = Candidate { gathered: false, ..whole.clone() };
        assert_eq!(choose(std::slice::from_ref(&left), "", None).unwrap(), &left);
        let said = refusal(&all[1..2], &failed.header.to_string(), Some("mine"));
        assert!(said.contains("golem map") && said.contains("mine"), "{said}");
        let two = [open.clone(), Candidate { header: B256::repeat_byte(9), ..open }];
        assert!(refusal(&two, "", None).contains("several"));
    }

    #[test]
    fn puts_a_whole_task_together_again_where_it_is_named() {
        let whole = task(3, Some("render"), 3, 0);
        let header = whole.header.to_string();
        assert_eq!(choose(std::slice::from_ref(&whole), &header, Some("render")).unwrap(), &whole);
        let late = Candidate { too_late: true, ..task(2, None, 2, 1) };
        assert!(choose(std::slice::from_ref(&late), "", None).is_err());
        assert!(choose(std::slice::from_ref(&late), &late.header.to_string(), None).is_ok(), "why not is said later");
    }

    #[tokio::test]
    async fn only_what_the_merge_reads_may_differ() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::open_or_create(home.path()).unwrap();
        // This binary of tests cannot be a worker.
        std::fs::write(folder.config_file(), "[sandbox]\nisolation = \"none\"\n").unwrap();
        let given = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
        };
        let small = given(&[("width", "32"), ("height", "24"), ("tiles", "4")]);
        let cut = Source::open("render", &small).unwrap().cut(&folder, Talk::Silent).unwrap();
        let task = Candidate { source: cut.note().unwrap(), ..task(3, Some("render"), 3, 0) };
        let terms = TermArgs::of("golem map m.wasm a -o out --memory-max 64MiB");
        let again = cut_again(&task, &given(&[("denoise", "off")]), &folder, &terms).await.unwrap();
        let merge = again.plan.merge.unwrap();
        assert!(merge.args.contains(&"off".to_owned()) && merge.limits.subtask.memory_max.0 == 64 << 20, "{merge:?}");
        let error = cut_again(&task, &given(&[("width", "64")]), &folder, &terms).await.err().unwrap().to_string();
        assert!(error.contains("--width 64 in place of 32"), "{error}");
        let map = Candidate { source: None, ..task };
        assert!(cut_again(&map, &[], &folder, &terms).await.err().unwrap().to_string().contains("golem map"));
    }

    #[test]
    fn names_what_cannot_change_once_a_task_has_begun() {
        let fixed = |line: &str| TermArgs::of(line).fixed();
        assert_eq!(fixed("golem map m.wasm a -o out --memory-max 64MiB"), Vec::<&str>::new());
        assert_eq!(fixed("golem map m.wasm a -o out --offer-window 9 --budget 1"), ["--budget", "--offer-window"]);
    }
}
