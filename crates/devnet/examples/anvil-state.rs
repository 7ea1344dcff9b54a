//! Writes the development chain as data: `anvil/state.json` and `anvil/accounts.json`; and its token's address into the
//! README there.
//!
//! ```sh
//! cargo run -p golem-devnet --example anvil-state
//! ```
//!
//! To be run from the top of a checkout whenever a contract has changed; a test says when. The same contracts give the
//! same bytes: what depends on when it was made is left out.

use golem_devnet::{Devnet, DevnetOptions};
use serde_json::{Value, json};
use std::error::Error;
use std::fs;
use std::path::Path;

/// Where `anvil/start` has it, unless it is told otherwise.
const RPC_URL: &str = "http://127.0.0.1:8545";
/// The time of the one block that is kept, in seconds since 1970. Reason: long gone everywhere, so that the next block
/// has the time of the machine it is made on.
const BLOCK_TIME_S: u64 = 1_700_000_000;
/// Holds the hashes of earlier blocks (EIP-2935), which are not kept.
const BLOCK_HASHES: &str = "0x0000f90827f1c53a10cb7a02335b175320002935";
/// Who gets the fees.
const COINBASE: &str = "0x0000000000000000000000000000000000000000";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new("anvil");
    if !folder.join("start").is_file() {
        return Err("start this from the top of a checkout".into());
    }
    let [state, accounts] = make().await?;
    let gnt =
        |text: &str| Ok::<_, serde_json::Error>(serde_json::from_str::<Value>(text)?["deployment"]["gnt"].clone());
    // The calls that the README shows are made to the token.
    let before = gnt(&fs::read_to_string(folder.join("accounts.json"))?)?;
    let (before, after) = (before.as_str().unwrap_or_default().to_owned(), gnt(&accounts)?);
    let readme = fs::read_to_string(folder.join("README.md"))?;
    let readme = readme.replace(&before, after.as_str().ok_or("there is no token")?);
    for (name, text) in [("state.json", state), ("accounts.json", accounts), ("README.md", readme)] {
        fs::write(folder.join(name), text)?;
    }
    Ok(())
}

/// The texts of the state and of the accounts.
async fn make() -> Result<[String; 2], Box<dyn Error>> {
    let home = tempfile::tempdir()?;
    let dump = home.path().join("state.json");
    let mut options = DevnetOptions::default();
    options.anvil.state = Some(dump.clone());
    let ether = u128::from(options.anvil.balance_eth) * 10u128.pow(18);
    let devnet = Devnet::start(options).await?;
    // As much as the others have: what it spent on gas depends on how the chain was set up.
    let deployer = devnet.deployer().ok_or("there is no deployer")?.address;
    devnet.anvil().set_balance(deployer, ether).await?;
    let mut accounts = devnet.accounts_file().await?;
    accounts.rpc_url = RPC_URL.to_owned();
    devnet.stop();
    let state = without_history(serde_json::from_str(&fs::read_to_string(&dump)?)?)?;
    Ok([format!("{state}\n"), accounts.to_text()])
}

/// Leaves accounts, code and storage, and of all blocks the newest, without a trace of when it was made.
fn without_history(mut state: Value) -> Result<Value, Box<dyn Error>> {
    let number = state["best_block_number"].as_u64().ok_or("the state has no newest block")?;
    let time = format!("{BLOCK_TIME_S:#x}");
    let zero = format!("0x{:064}", 0);
    let blocks = state["blocks"].as_array_mut().ok_or("the state has no blocks")?;
    blocks.retain(|block| block["header"]["number"] == format!("{number:#x}"));
    let block = blocks.first_mut().ok_or("the state lacks its newest block")?;
    block["transactions"] = json!([]);
    for key in ["parentHash", "stateRoot", "mixHash"] {
        block["header"][key] = json!(zero);
    }
    block["header"]["timestamp"] = json!(time);
    state["block"]["timestamp"] = json!(time);
    state["block"]["prevrandao"] = json!(zero);
    state["transactions"] = json!([]);
    let accounts = state["accounts"].as_object_mut().ok_or("the state has no accounts")?;
    accounts.remove(COINBASE);
    if let Some(hashes) = accounts.get_mut(BLOCK_HASHES) {
        hashes["storage"] = json!({});
    }
    Ok(state)
}
