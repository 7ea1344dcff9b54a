//! What a task is: a module, its inputs, how they are cut into subtasks, and how the results become one.
//!
//! Start from [`Manifest::parse`] for a task written down, or [`MapTask`] for `golem map`; both end in [`plan`], which
//! gives a [`TaskPlan`]. Each subtask of it becomes one [`SubtaskInput`], the document that an agreement names by its
//! digest; what comes back is one [`SubtaskOutput`], whose digest is compared and signed.
//!
//! ```text
//! manifest.toml ─ parse ─> Manifest ─┬─ files listed by the shell ──────────> plan ─> TaskPlan ─┬─> SubtaskInput, one each
//! golem map ─────────────────────────┘  (and, where the module splits,                          ├─> MergeSpec
//!                                        what it printed)                                       └─> CostEstimate
//! ```
//!
//! **Never**: it reads no file, lists no folder, runs nothing, knows neither the time nor who computes. The shell lists
//! the files and runs the module; this crate says which and with what.

mod bundle;
mod manifest;
mod map;
mod plan;
mod template;
#[cfg(test)]
mod tests;
mod verification;

pub use bundle::{
    ARGS_BYTES_MAX, ARGS_MAX, BUNDLE_BYTES_MAX, BundleError, DEPTH_MAX, FILES_MAX, FileRef, NAME_BYTES_MAX,
    OutputEntry, PATH_BYTES_MAX, PathFault, SubtaskInput, SubtaskLimits, SubtaskOutput, check_path,
};
pub use manifest::{AppTerms, Manifest, ManifestError, Price, Purchase, Split, TaskLimits};
pub use map::MapTask;
pub use plan::{InputListing, ListedFile, MergeSpec, PlanError, SubtaskSpec, TaskPlan, plan};
pub use template::{Template, TemplateError};
pub use verification::{
    COPIES, CopyAddresses, CostEstimate, Extras, FLOOR_PPM, HEDGES_CHEAP_ONE_IN, Hedging, KNOWN_PPM_MAX, PPM,
    PlanTextError, Verification, VerificationError, chooses,
};
