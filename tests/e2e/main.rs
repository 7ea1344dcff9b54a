//! Whole stories: the real `golem` binary as processes, each with its own key and data folder, on a real anvil, over
//! real sockets on loopback, with real modules and money that moves.
//!
//! The binary is the one beside this test in the target folder, or the one that `GOLEM_BIN` names. anvil is found as
//! `golem-devnet` finds it.

mod author;
mod bad_input;
mod bad_tasks;
mod books;
// Elsewhere programs run in the node's own process.
#[cfg(target_os = "linux")]
mod broken;
mod checks;
mod choice;
mod crash;
mod deploy;
#[cfg(target_os = "linux")]
mod devnet;
mod full;
mod guarantee;
mod harness;
mod local;
mod metered;
mod money;
mod process;
mod programs;
mod promises;
mod proofs;
mod render;
mod traces;
