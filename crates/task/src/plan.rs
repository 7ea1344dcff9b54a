//! From a manifest and the files there are, to the subtasks.

use crate::bundle::{BundleError, FileRef, PathFault, SubtaskInput, SubtaskOutput, check_path};
use crate::manifest::{AppTerms, Manifest, ManifestError, Price, Purchase, SUBTASKS_MAX, Split, TaskLimits};
use crate::verification::{CostEstimate, Extras, Verification};
use golem_protocol::{ByteCount, ContentHash};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The longest name of a subtask, in bytes. Reason: it becomes a folder's name.
const SUBTASK_NAME_BYTES_MAX: usize = 200;

/// A file that the shell found for a pattern.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ListedFile {
    /// The path it shall have below `/in`.
    pub guest_path: String,
    /// Its digest.
    pub content: ContentHash,
    /// Its length.
    pub size: ByteCount,
}

/// The files that a manifest's patterns match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InputListing {
    /// Those of `inputs`: every subtask finds them.
    pub shared: Vec<ListedFile>,
    /// Those of `split.each`: one subtask for each, in this order.
    pub each: Vec<ListedFile>,
}

/// One piece of the work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubtaskSpec {
    /// Its number, from 0.
    pub index: u32,
    /// Its name for people, and for the folder of its results; no two have the same.
    pub name: String,
    /// The program's arguments.
    pub args: Vec<String>,
    /// The files in `/in`, as places in [`TaskPlan::files`].
    pub files: Vec<u32>,
    /// Standard input, as a place in [`TaskPlan::files`].
    pub stdin: Option<u32>,
}

/// How all results become one: the module is run here, with the files of each subtask in `/in/INDEX/`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergeSpec {
    /// The module's arguments.
    pub args: Vec<String>,
    /// When it is stopped.
    pub limits: TaskLimits,
}

/// A task cut into subtasks, ready to be announced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskPlan {
    /// A name for people.
    pub name: String,
    /// Every input file once; subtasks refer to them by place.
    pub files: Vec<ListedFile>,
    /// The pieces, by index.
    pub subtasks: Vec<SubtaskSpec>,
    /// Files that each piece must leave.
    pub expect: Vec<String>,
    /// How they become one.
    pub merge: Option<MergeSpec>,
    /// How results are checked.
    pub verification: Verification,
    /// What is given out more than once besides.
    pub extras: Extras,
    /// When a subtask is stopped.
    pub limits: TaskLimits,
    /// What may be spent.
    pub price: Price,
    /// What is bought.
    pub purchase: Purchase,
    /// Whose app it is, where it is somebody's.
    pub app: Option<AppTerms>,
    /// After how many seconds the task is given up.
    pub deadline_s: u32,
}

/// Why a manifest and its files make no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The manifest itself.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The pattern for one subtask each matches nothing.
    #[error("`{pattern}` matches no file, so there is nothing to do; check the pattern and the folder")]
    NoFiles {
        /// The pattern.
        pattern: String,
    },
    /// No subtasks, or more than a task may have.
    #[error("the task has {got} subtasks, and it must have between 1 and {max}")]
    Count {
        /// How many.
        got: u64,
        /// The most.
        max: u32,
    },
    /// Two inputs that would be the same file in `/in`, or one in the place of the other's folder.
    #[error("two input files would both be `/in/{path}`; rename one, or narrow the patterns")]
    SamePath {
        /// The path.
        path: String,
    },
    /// A path that cannot be one in `/in`.
    #[error("`{path}` cannot be a file in /in: {fault}")]
    Path {
        /// The path.
        path: String,
        /// What is wrong with it.
        fault: PathFault,
    },
    /// A subtask's name that cannot be a folder's, or that another has too.
    #[error("subtask {index} is called `{name}`, which another is called too, or which cannot name a folder")]
    Name {
        /// Which.
        index: u32,
        /// The name.
        name: String,
    },
    /// The module splits, and it has not been run yet, or does not and has been.
    #[error("the module's own plan is {}", if *.wanted { "needed: run it with the split arguments first" } else { "not asked for by this manifest" })]
    SplitOutput {
        /// Whether the manifest asks for it.
        wanted: bool,
    },
    /// A line of the module's plan that is not what it should be.
    #[error(
        "line {line} of the module's plan is not a subtask such as {{\"name\": \"a\", \"args\": [\"x\"]}}: {reason}"
    )]
    SplitLine {
        /// Which line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A subtask that cannot be written down.
    #[error("subtask {index}: {error}")]
    Subtask {
        /// Which.
        index: u32,
        /// What is wrong.
        error: BundleError,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanLine {
    name: Option<String>,
    args: Vec<String>,
}

/// Cuts a task into subtasks.
///
/// `split_output` is what the module printed when run with [`Manifest::split_args`], where there are such.
/// Errors: nothing to do, too much, names or paths that clash, a plan that cannot be read.
pub fn plan(manifest: &Manifest, listing: &InputListing, split_output: Option<&str>) -> Result<TaskPlan, PlanError> {
    let module_splits = matches!(manifest.split, Split::Module(_));
    if module_splits != split_output.is_some() {
        return Err(PlanError::SplitOutput { wanted: module_splits });
    }
    let mut files = listing.shared.clone();
    files.sort();
    let shared = 0..files.len() as u32;
    let pieces = match (&manifest.split, split_output) {
        (Split::Module(_), Some(output)) => read_plan(output)?,
        (Split::Module(_), None) => return Err(PlanError::SplitOutput { wanted: true }),
        (Split::Each(pattern), _) => {
            if listing.each.is_empty() {
                return Err(PlanError::NoFiles { pattern: pattern.clone() });
            }
            files.extend(listing.each.iter().cloned());
            pieces_by_file(manifest, &listing.each, shared.end)?
        }
        (Split::Count(count), _) => {
            pieces_by_item(manifest, (0..*count).map(|index| (index.to_string(), None)), *count)?
        }
        (Split::Items(items), _) => {
            let count = items.len() as u32;
            pieces_by_item(manifest, items.iter().map(|item| (item.clone(), Some(item))), count)?
        }
    };
    if pieces.is_empty() || pieces.len() as u64 > u64::from(SUBTASKS_MAX) {
        return Err(PlanError::Count { got: pieces.len() as u64, max: SUBTASKS_MAX });
    }
    let values = with_values(manifest, &[("count", pieces.len().to_string())]);
    let merge = match &manifest.merge {
        None => None,
        Some(args) => Some(MergeSpec { args: manifest.fill("merge.args", args, &values)?, limits: manifest.limits }),
    };
    let mut subtasks = Vec::with_capacity(pieces.len());
    for (index, piece) in pieces.into_iter().enumerate() {
        let own = piece.file.filter(|_| !manifest.stdin);
        subtasks.push(SubtaskSpec {
            index: index as u32,
            name: piece.name,
            args: piece.args,
            files: shared.clone().chain(own).collect(),
            stdin: piece.file.filter(|_| manifest.stdin),
        });
    }
    let plan = TaskPlan {
        name: manifest.name.clone(),
        files,
        subtasks,
        expect: manifest.expect.clone(),
        merge,
        verification: manifest.verification,
        extras: manifest.extras,
        limits: manifest.limits,
        price: manifest.price,
        purchase: manifest.purchase,
        app: manifest.app,
        deadline_s: manifest.deadline_s,
    };
    plan.check()?;
    Ok(plan)
}

/// A subtask before it has its number.
struct Piece {
    name: String,
    args: Vec<String>,
    file: Option<u32>,
}

fn with_values<'a>(manifest: &'a Manifest, more: &[(&'a str, String)]) -> BTreeMap<&'a str, String> {
    let mut values = manifest.values();
    values.extend(more.iter().cloned());
    values
}

fn read_plan(output: &str) -> Result<Vec<Piece>, PlanError> {
    let mut pieces = Vec::new();
    for (at, text) in output.lines().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
        let line: PlanLine = serde_json::from_str(text)
            .map_err(|error| PlanError::SplitLine { line: at + 1, reason: error.to_string() })?;
        let name = line.name.unwrap_or_else(|| pieces.len().to_string());
        pieces.push(Piece { name, args: line.args, file: None });
    }
    Ok(pieces)
}

fn pieces_by_file(manifest: &Manifest, each: &[ListedFile], first: u32) -> Result<Vec<Piece>, PlanError> {
    let mut pieces = Vec::with_capacity(each.len());
    for (index, file) in each.iter().enumerate() {
        let name = file.guest_path.clone();
        let path = if manifest.stdin { name.clone() } else { format!("/in/{name}") };
        let values = with_values(
            manifest,
            &[("index", index.to_string()), ("count", each.len().to_string()), ("name", name.clone()), ("file", path)],
        );
        let args = manifest.fill("subtask.args", &manifest.args, &values)?;
        pieces.push(Piece { name, args, file: Some(first.saturating_add(index as u32)) });
    }
    Ok(pieces)
}

fn pieces_by_item<'a>(
    manifest: &Manifest,
    names: impl Iterator<Item = (String, Option<&'a String>)>,
    count: u32,
) -> Result<Vec<Piece>, PlanError> {
    let mut pieces = Vec::with_capacity(count as usize);
    for (index, (name, item)) in names.enumerate() {
        let mut more = vec![("index", index.to_string()), ("count", count.to_string()), ("name", name.clone())];
        more.extend(item.map(|item| ("item", item.clone())));
        let args = manifest.fill("subtask.args", &manifest.args, &with_values(manifest, &more))?;
        pieces.push(Piece { name, args, file: None });
    }
    Ok(pieces)
}

impl TaskPlan {
    /// Checks names, paths and the documents that will be made of it.
    fn check(&self) -> Result<(), PlanError> {
        for file in &self.files {
            let path = || file.guest_path.chars().take(80).collect();
            check_path(&file.guest_path).map_err(|fault| PlanError::Path { path: path(), fault })?;
        }
        let mut names = BTreeSet::new();
        let (module, seed) = (ContentHash(Default::default()), [0; 32]);
        for subtask in &self.subtasks {
            let fits = check_path(&subtask.name).is_ok() && subtask.name.len() <= SUBTASK_NAME_BYTES_MAX;
            if !fits || !names.insert(&subtask.name) {
                let name = subtask.name.chars().take(80).collect();
                return Err(PlanError::Name { index: subtask.index, name });
            }
            self.input(subtask, module, seed).check().map_err(|error| match error {
                BundleError::Order { path, .. } | BundleError::FileAsFolder { file: path, .. } => {
                    PlanError::SamePath { path }
                }
                error => PlanError::Subtask { index: subtask.index, error },
            })?;
        }
        Ok(())
    }

    /// The document of one subtask. Its seed is drawn from the task's, so subtasks do not repeat each other's numbers.
    pub fn input(&self, subtask: &SubtaskSpec, module: ContentHash, task_seed: [u8; 32]) -> SubtaskInput {
        let file = |place: &u32| {
            let file = self.files.get(*place as usize)?;
            Some(FileRef { path: file.guest_path.clone(), content: file.content, size: file.size })
        };
        let mut files: Vec<FileRef> = subtask.files.iter().filter_map(file).collect();
        files.sort();
        let seed = blake3::Hasher::new_keyed(&task_seed)
            .update(b"golem subtask seed 1")
            .update(&subtask.index.to_le_bytes())
            .finalize();
        SubtaskInput {
            module,
            args: subtask.args.clone(),
            stdin: subtask.stdin.as_ref().and_then(file),
            files,
            seed: seed.into(),
            limits: self.limits.subtask,
        }
    }

    /// What it can cost; `None` where the price times the timeout passes what a channel can hold.
    pub fn cost(&self) -> Option<CostEstimate> {
        let count = u32::try_from(self.subtasks.len()).ok()?;
        let (price, timeout_s) = (self.price, self.limits.timeout_s);
        CostEstimate::new(count, price.max_per_hour, timeout_s, price.budget, self.verification, self.extras)
    }

    /// The first of the expected files that a result lacks.
    pub fn missing<'a>(&'a self, output: &SubtaskOutput) -> Option<&'a str> {
        let has = |path: &str| output.files.iter().any(|file| file.path == path);
        self.expect.iter().map(String::as_str).find(|path| !has(path))
    }
}
