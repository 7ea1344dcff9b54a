//! Writes where a development network of the usual settings has its contracts:
//!
//! ```sh
//! cargo run -p golem-devnet --example deployment contracts/deployments/31337.json
//! ```
//!
//! To be run whenever a contract has changed; a test says when.

use golem_devnet::{Devnet, DevnetOptions};
use std::error::Error;
use std::path::PathBuf;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args_os().nth(1).map(PathBuf::from).ok_or("name the file to write")?;
    let devnet = Devnet::start(DevnetOptions::default()).await?;
    devnet.save_deployment(&file)?;
    println!("{} is written", file.display());
    Ok(())
}
