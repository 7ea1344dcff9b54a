//! The experiments of the repository, in the binary.

use super::file::{Experiment, ExperimentError, Options};
use serde::Serialize;

/// An experiment that comes with golem: its id, and its file.
pub type LibraryFile = (&'static str, &'static str);

/// All experiments, by id.
pub const LIBRARY: &[LibraryFile] = &[];

/// What there is to list.
///
/// Errors: a file that cannot be read, which a test keeps from being.
pub fn library() -> Result<Vec<Listed>, ExperimentError> {
    let read = LIBRARY.iter().map(|(id, text)| {
        let experiment = Experiment::read(text, &Options::default())?;
        Ok(Listed {
            id,
            varied: experiment.axes.iter().map(|axis| axis.name.clone()).collect(),
            cells: experiment.cells.len(),
            expectations: experiment.expects.len(),
            title: experiment.title,
            claim: experiment.claim.trim().to_owned(),
        })
    });
    read.collect()
}

/// An experiment in a list.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// What the command line calls it.
    pub id: &'static str,
    /// What it is about.
    pub title: String,
    /// What the published text says.
    pub claim: String,
    /// What is varied.
    pub varied: Vec<String>,
    /// How many cells it has.
    pub cells: usize,
    /// How many expectations are checked.
    pub expectations: usize,
}

/// The file of an experiment that comes with golem.
pub fn listed(id: &str) -> Option<&'static str> {
    LIBRARY.iter().find(|(known, _)| known.eq_ignore_ascii_case(id)).map(|(_, text)| *text)
}
