//! `golem map`: one subtask per file, without a manifest.

use crate::manifest::{Manifest, ManifestError, Price, Purchase, Split, TaskLimits};
use crate::plan::{InputListing, ListedFile, PlanError, TaskPlan, plan};
use crate::template::Template;
use crate::verification::{Extras, Verification};
use std::collections::BTreeMap;

/// A program to be run once for each of some files.
///
/// The files are in `/in` by their own names, or are standard input. Without arguments of its own the program gets
/// the file's path as its only one, or none where the file is standard input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapTask {
    /// A name for people.
    pub name: String,
    /// Arguments with `{file}`, `{name}`, `{index}` and `{count}`; empty for the usual ones.
    pub args: Vec<String>,
    /// Files that every subtask finds in `/in`, besides its own.
    pub shared: Vec<ListedFile>,
    /// Whether the file is standard input and not in `/in`.
    pub stdin: bool,
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
    /// After how many seconds the task is given up.
    pub deadline_s: u32,
}

impl MapTask {
    /// A task with the usual arguments, limits, checks and an hour to finish.
    pub fn new(name: &str, price: Price) -> MapTask {
        MapTask {
            name: name.to_owned(),
            args: Vec::new(),
            shared: Vec::new(),
            stdin: false,
            verification: Verification::default(),
            extras: Extras::default(),
            limits: TaskLimits::default(),
            price,
            purchase: Purchase::default(),
            deadline_s: 3600,
        }
    }

    /// Cuts it into one subtask per file, in the order given. Files of one name get their number before it.
    ///
    /// Errors: no files, a path or an argument that cannot be.
    pub fn plan(&self, mut files: Vec<ListedFile>) -> Result<TaskPlan, PlanError> {
        let mut seen: BTreeMap<String, u32> = BTreeMap::new();
        for file in &files {
            *seen.entry(file.guest_path.clone()).or_default() += 1;
        }
        for (index, file) in files.iter_mut().enumerate() {
            if seen.get(&file.guest_path).is_some_and(|count| *count > 1) {
                file.guest_path = format!("{index}-{}", file.guest_path);
            }
        }
        let args = match (self.args.is_empty(), self.stdin) {
            (true, false) => vec!["{file}".to_owned()],
            _ => self.args.clone(),
        };
        let parsed = args.iter().map(|arg| Template::parse(arg)).collect::<Result<_, _>>();
        let manifest = Manifest {
            name: self.name.clone(),
            module: String::new(),
            inputs: Vec::new(),
            parameters: BTreeMap::new(),
            files: BTreeMap::new(),
            split: Split::Each("INPUTS".to_owned()),
            args: parsed.map_err(|error| ManifestError::Template { key: "the argument template", error })?,
            stdin: self.stdin,
            expect: Vec::new(),
            merge: None,
            preview: None,
            verification: self.verification,
            extras: self.extras,
            limits: self.limits,
            price: self.price,
            purchase: self.purchase,
            app: None,
            deadline_s: self.deadline_s,
        };
        plan(&manifest, &InputListing { shared: self.shared.clone(), each: files }, None)
    }
}
