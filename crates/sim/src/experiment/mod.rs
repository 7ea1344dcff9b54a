//! Experiments on the market: a file says what is claimed, what is varied and what must come out; this runs it, as often
//! as its intervals need, and says what holds.
//!
//! ```text
//! file -> Experiment (axes, cells, expectations; all checked before anything runs)
//!           |  play: every cell on common seeds, on all cores, until the intervals are narrow
//!           v
//!         Results -> verdicts, tables (CSV, Parquet), summary (JSON), plots (SVG), report (HTML)
//! ```
//!
//! Start with [`Experiment::read`] and [`play()`]. The same file and seed give the same bytes, on one thread or many.
//! Nothing here writes files, reads a clock or measures; whoever runs it does.

pub mod charts;
mod expect;
mod file;
mod golem_des;
mod library;
mod page;
pub mod play;
pub mod plot;
mod results;
pub mod stats;
pub mod table;
#[cfg(test)]
mod tests;
mod vary;
mod verdict;

pub use expect::{Direction, Expect, Expected, Holds, Quantity};
pub use file::{Cell, Experiment, ExperimentError, Options, REPEAT_MAX, Repeat, Show};
pub use golem_des::{IMPORT_BYTES_MAX, ImportError, Imported, import};
pub use library::{LIBRARY, Listed, library, listed};
pub use page::{ALIKE, ALIKE_MEANS, IndexEntry, RunFacts, index_page, page, with_width};
pub use play::{CellRuns, Keep, Progress, RunFailure, RunId, play};
pub use results::{CellSummary, MetricSummary, Results, Summary, metric_info};
pub use vary::{Axis, CELLS_MAX, Only, Place, Point};
pub use verdict::{Checked, Finding, Verdict};
