//! A network for a test or a demo in one call: anvil, the contracts, accounts that hold ether and GNT, channels, nodes.
//!
//! ```text
//! Devnet::start(DevnetOptions) = Anvil::start (a child process, gone with its owner)
//!                              + golem_chain::deploy
//!                              + GNT to every account, channels between them
//!                              + requestors and providers in this process (feature `nodes`)
//! ```
//!
//! Start with [`Devnet`]; [`Anvil`] alone is a chain without contracts. Every network has ports and folders of its own,
//! so there can be many at once, and all of it is gone when its owner is dropped, ends or is killed; only a kill leaves
//! the nodes' folders in the system's temporary one. It never touches a chain that it did not start.
//!
//! ```no_run
//! # #[cfg(feature = "nodes")]
//! # async fn example(module: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
//! use golem_devnet::task::{MapTask, Price};
//! use golem_devnet::{Devnet, DevnetOptions, NodeOptions, OpenChannel, Wei};
//!
//! let gnt = |amount| Wei::from_gnt(amount).expect("a small amount");
//! let devnet = Devnet::start(DevnetOptions {
//!     nodes: NodeOptions { requestors: 1, providers: 1, ..NodeOptions::default() },
//!     channels: vec![OpenChannel { payer: 0, payee: 1, amount: gnt(5) }],
//!     ..DevnetOptions::default()
//! })
//! .await?;
//!
//! // The requestor has account 0, the provider account 1.
//! let task = MapTask::new("mine", Price { max_per_hour: gnt(10), budget: gnt(5) });
//! let done = devnet.requestors()[0].run(&task, module, &[("a.txt", b"hello")]).await?;
//! assert!(done.output("a.txt", "stdout").is_some());
//!
//! devnet.providers()[0].node.claim_all().await?;
//! assert_eq!(devnet.channel(0, 1).await?.claimed, done.report.spent_wei);
//!
//! devnet.increase_time(86_400).await?; // or mine, reorg, snapshot and revert
//! # Ok(())
//! # }
//! ```

mod accounts_file;
mod anvil;
mod devnet;
mod error;
mod find;
#[cfg(feature = "nodes")]
mod nodes;
mod pinned;
#[cfg(feature = "nodes")]
mod requestor;

pub use accounts_file::{AccountsFile, KnownAccount};
pub use anvil::{Anvil, AnvilError, AnvilOptions, DevAccount, Mining};
pub use devnet::{Devnet, DevnetOptions, OpenChannel, StartTimes};
pub use error::DevnetError;
pub use find::{ANVIL_ENV, find_anvil, find_upwards};
#[cfg(feature = "nodes")]
pub use nodes::{DevProvider, NodeOptions};
#[cfg(feature = "nodes")]
pub use requestor::{DevRequestor, TaskDone, TaskRunError};

// What its values are made of, so that one dependency is enough.
pub use golem_chain as chain;
#[cfg(feature = "nodes")]
pub use golem_node as node;
pub use golem_protocol::{self as protocol, Address, ChannelState, Wei};
#[cfg(feature = "nodes")]
pub use golem_task as task;
