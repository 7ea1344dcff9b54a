//! The two machines against each other, and against peers that lie.

mod refusals;
mod reorgs;
mod world;
