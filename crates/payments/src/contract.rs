//! The contract's twin.
