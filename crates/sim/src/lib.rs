//! Golem in a simulated world: the machines, the policies and the books that nodes run, on a network, a chain and disks
//! made of a seed.
//!
//! Start with [`market::run`] for prices, choices and cheats among up to a million providers; with
//! [`experiment::Experiment`] for what is claimed of such markets and what holds; and with [`faults::run`] for one or two
//! requestors and some providers, message by message, while everything that can go wrong does.
//!
//! ```text
//! seed -> Scenario -> World: Requestor, Provider (golem-deal), their policies (golem-market)
//!                       |    network that loses, repeats, delays, splits; disks that are slow; crashes at any effect
//!                       |    chain (golem-payments' twin of the contract) with blocks, confirmations and reorgs
//!                       v
//!                     checks after every event -> Report, or Failure with the seed that replays it
//! ```
//!
//! The same seed gives the same run on any machine: time is counted in integers, ties go by order, every purpose draws
//! from a stream of its own. This crate opens no socket and no file, and reads no clock.

pub mod experiment;
pub mod faults;
pub mod market;
pub mod stream;
