//! Nodes against a real anvil and each other.

mod claims;
mod stage;
mod story;
