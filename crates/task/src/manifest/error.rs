//! What is wrong with a manifest.

use crate::bundle::PathFault;
use crate::template::TemplateError;
use crate::verification::{PlanTextError, VerificationError};
use golem_protocol::units::AmountError;

/// Why a text is not a manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Not TOML, a key that is missing, unknown or of the wrong kind.
    #[error("the manifest cannot be read: {reason}")]
    Toml {
        /// What the parser said, with the place.
        reason: String,
    },
    /// None or several ways to split.
    #[error("[split] has {got} of `each`, `count`, `list`, `range`, `args`; give exactly one")]
    Split {
        /// How many are given.
        got: usize,
    },
    /// A number out of its range.
    #[error("{key} is {got}, which is not between {min} and {max}")]
    Number {
        /// The key.
        key: &'static str,
        /// Its value.
        got: i64,
        /// The least.
        min: i64,
        /// The most.
        max: i64,
    },
    /// Keys that do not go together.
    #[error("{what}")]
    Conflict {
        /// Which, and what to do.
        what: &'static str,
    },
    /// An amount of GNT that is none.
    #[error("{key}: {error}")]
    Amount {
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        error: AmountError,
    },
    /// A share that is none.
    #[error("verification.{key}: {error}")]
    Fraction {
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        error: VerificationError,
    },
    /// A plan to check results that is none.
    #[error("[verification]: {0}")]
    Verification(#[from] PlanTextError),
    /// A template that is none.
    #[error("{key}: {error}")]
    Template {
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        error: TemplateError,
    },
    /// A name or path that leads out of its folder.
    #[error("{key}: `{path}` is no path within the folder: {fault}")]
    Path {
        /// The key.
        key: &'static str,
        /// The path.
        path: String,
        /// What is wrong with it.
        fault: PathFault,
    },
    /// A parameter or file that the manifest does not have.
    #[error("there is no parameter `{name}`; known are: {known}")]
    UnknownParameter {
        /// The name given.
        name: String,
        /// Those there are.
        known: String,
    },
    /// A parameter or file named like a placeholder that has a meaning already.
    #[error("nothing in [parameters] or [files] can be called `{name}`; that placeholder has a meaning already")]
    ReservedParameter {
        /// Its name.
        name: String,
    },
}
