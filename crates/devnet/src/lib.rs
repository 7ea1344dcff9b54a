//! A chain for a test or a demo in one call: anvil, the contracts, and accounts that hold ether and GNT.
//!
//! ```text
//! Devnet::start(DevnetOptions) = Anvil::start (a child process, gone with its owner)
//!                              + golem_chain::deploy
//!                              + GNT to every account
//! ```
//!
//! Start with [`Devnet`]; [`Anvil`] alone is a chain without contracts. It never touches a chain that it did not start.

mod anvil;
mod devnet;
mod find;

pub use anvil::{Anvil, AnvilError, AnvilOptions, DevAccount, Mining};
pub use devnet::{Devnet, DevnetOptions};
pub use find::{ANVIL_ENV, find_anvil, find_upwards};
