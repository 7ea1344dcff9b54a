//! Nodes against a real anvil and each other.

mod claims;
mod limits;
mod stage;
mod story;
