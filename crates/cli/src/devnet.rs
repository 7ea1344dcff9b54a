//! `golem devnet`: a chain, the contracts, and accounts that can be used at once.
//!
//! ```text
//! FOLDER/devnet.json          what runs, and a lock while it does
//!        deployment.json      where the contracts are
//!        accounts.json        all of it for other programs: contracts, keys, balances, as in `anvil/accounts.json`
//!        password             of all the keys here
//!        accounts/0, 1, ...   a data folder each, with key and settings: `golem --dir FOLDER/accounts/1 provide`
//! ```

use crate::Answer;
use crate::context::{Context, gnt};
use crate::deploy::print_deployment;
use crate::output;
use crate::process::{Service, StopSignals};
use anyhow::{Context as _, bail};
use clap::Args;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use golem_devnet::{AnvilOptions, DevAccount, Devnet, DevnetOptions, Mining};
use golem_node::folder::{Folder, write_private};
use golem_node::keystore::Wallet;
use golem_protocol::Wei;
use serde_json::{Value, json};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The password of all keys of a development chain. The keys are known to everybody anyway.
const PASSWORD: &str = "development";
/// What tells a folder that an earlier devnet made from one that somebody else did.
const MARKER: &str = "devnet.json";
/// How often a block is made besides those of transactions. Reason: deadlines, offers and the delay of a close are by the
/// chain's time, which only blocks move; as often as on Ethereum.
const IDLE_BLOCK_EVERY: Duration = Duration::from_secs(12);
/// How often nodes on it look for blocks, in milliseconds: a transaction is in one at once, and nothing is paid for asking.
const POLL_MS: u64 = 250;
/// The most accounts. Reason: each gets a data folder and an encrypted key.
const ACCOUNTS_MAX: i64 = 100;

/// What to start.
#[derive(Args)]
pub struct DevnetArgs {
    /// The port of the chain's RPC on this machine; 0 takes any
    #[arg(long, default_value_t = 8545)]
    port: u16,
    /// Make a block every so many seconds and none between; without, one for each transaction, at once, and one every
    /// 12 seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3600))]
    block_time: Option<u32>,
    /// How many accounts with ether, GNT and a data folder each
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=ACCOUNTS_MAX))]
    accounts: u32,
    /// What each account gets, in GNT
    #[arg(long, value_name = "GNT", default_value = "10000", value_parser = gnt)]
    gnt_each: Wei,
    /// How long a payee can still claim after a payer asked to close, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, value_parser = clap::value_parser!(u32).range(1..=2_592_000))]
    close_delay: u32,
    /// Start so many providers too, on the accounts from 1 on
    #[arg(long, value_name = "N", default_value_t = 0)]
    providers: u32,
    /// Where deployment file, keys and data folders go; one that an earlier devnet made is emptied first
    #[arg(short, long, value_name = "FOLDER", default_value = "golem-devnet")]
    out: PathBuf,
    /// Stop when standard input ends: for a program that starts this one, and must not leave it behind
    #[arg(long)]
    until_stdin_ends: bool,
    /// Print one line of JSON when all is ready
    #[arg(long)]
    json: bool,
}

/// Starts it all, prints what a user needs, and runs until it is told to stop.
pub async fn run(_context: &Context, args: DevnetArgs) -> anyhow::Result<Answer> {
    if args.providers >= args.accounts {
        bail!(
            "{} providers need {} accounts, one of them for the requestor: set --accounts",
            args.providers,
            args.providers + 1
        );
    }
    if let Err(error) = std::net::TcpListener::bind(("127.0.0.1", args.port)) {
        bail!("port {} cannot be used: {error}. Choose another with --port, or --port 0 for any", args.port);
    }
    let mut signals = StopSignals::new()?;
    if args.until_stdin_ends {
        signals.and_end_of_stdin();
    }
    let lock = prepare(&args.out)?;
    note!("Starting the chain and deploying the contracts.");
    let options = DevnetOptions {
        anvil: AnvilOptions {
            port: (args.port != 0).then_some(args.port),
            accounts: args.accounts,
            mining: args.block_time.map_or(Mining::Instant, Mining::Every),
            ..AnvilOptions::default()
        },
        gnt_each: args.gnt_each,
        close_delay_s: args.close_delay,
        ..DevnetOptions::default()
    };
    let devnet = tokio::select! {
        started = Devnet::start(options) => started?,
        _ = signals.next() => bail!("stopped before the chain was ready"),
    };
    let mut providers = Vec::new();
    let outcome = tokio::select! {
        served = serve(&args, &devnet, &mut providers) => served.map(|never| match never {}),
        _ = signals.next() => Ok(()),
    };
    note!("Stopping.");
    for provider in providers {
        if let Err(error) = provider.stop().await {
            note!("{error}");
        }
    }
    tokio::task::spawn_blocking(move || devnet.stop()).await?;
    drop(lock);
    outcome?;
    Ok(Answer::Yes)
}

/// What never comes.
enum Never {}

async fn serve(args: &DevnetArgs, devnet: &Devnet, providers: &mut Vec<Service>) -> anyhow::Result<Never> {
    let out = fs::canonicalize(&args.out).with_context(|| format!("cannot find {}", args.out.display()))?;
    devnet.save_deployment(&out.join("deployment.json"))?;
    write_private(&out.join("accounts.json"), devnet.accounts_file().await?.to_text().as_bytes())
        .context("cannot write accounts.json")?;
    let password_file = out.join("password");
    write_private(&password_file, format!("{PASSWORD}\n").as_bytes()).context("cannot write the password file")?;
    let mut accounts = Vec::new();
    for (index, account) in devnet.accounts().iter().enumerate() {
        let folder = out.join("accounts").join(index.to_string());
        write_account(&folder, account, &devnet.rpc_url())?;
        accounts.push(json!({ "address": account.address, "dir": folder }));
    }
    let mut bootstrap: Option<String> = None;
    for index in 1..=args.providers {
        let folder = out.join("accounts").join(index.to_string());
        let provider = start_provider(&folder, &password_file, &[]).await?;
        bootstrap = bootstrap.or(first_address(&provider.ready));
        // The nodes that come later find the others through the first.
        if index == 1 {
            for later in (0..devnet.accounts().len()).filter(|later| *later != 1) {
                write_settings(&out.join("accounts").join(later.to_string()), &devnet.rpc_url(), bootstrap.as_deref())?;
            }
        }
        providers.push(provider);
    }
    let summary = json!({
        "rpc_url": devnet.rpc_url(), "deployment": devnet.deployment(), "deployment_file": out.join("deployment.json"),
        "password_file": password_file, "accounts": accounts, "bootstrap": bootstrap, "pid": std::process::id(),
    });
    write_private(&out.join("summary.json"), format!("{summary:#}\n").as_bytes())
        .context("cannot write summary.json")?;
    print(args, devnet, &out, &summary)?;
    let mut ends: FuturesUnordered<_> = providers.iter_mut().map(Service::ended).collect();
    let mut idle = tokio::time::interval(IDLE_BLOCK_EVERY);
    loop {
        tokio::select! {
            // The chain and the others go on: ending a provider is one of the things to play with.
            Some(said) = ends.next() => note!("{said}; its log is in its data folder"),
            _ = idle.tick() => look_at_chain(args, devnet).await?,
        }
    }
}

/// Makes a block where none is made by itself. Errors: the chain is gone, and with it all that is on it.
async fn look_at_chain(args: &DevnetArgs, devnet: &Devnet) -> anyhow::Result<()> {
    let answered = match args.block_time {
        None => devnet.anvil().mine(1).await,
        Some(_) => devnet.anvil().rpc().block_number().await.map(drop),
    };
    answered.context("the chain of this devnet does not answer any more; start another")
}

fn print(args: &DevnetArgs, devnet: &Devnet, out: &Path, summary: &Value) -> anyhow::Result<()> {
    if args.json {
        return output::line(&summary.to_string());
    }
    output::line(&format!("RPC              {}", devnet.rpc_url()))?;
    print_deployment(devnet.deployment())?;
    output::line(&format!("deployment file  {}", out.join("deployment.json").display()))?;
    output::line(&format!("accounts file    {}", out.join("accounts.json").display()))?;
    output::line(&format!("password file    {}", out.join("password").display()))?;
    output::line(&format!(
        "\n{} accounts with {} and {} ETH each, and a data folder:",
        devnet.accounts().len(),
        args.gnt_each,
        AnvilOptions::default().balance_eth
    ))?;
    for (index, account) in devnet.accounts().iter().enumerate() {
        let role = if (1..=args.providers as usize).contains(&index) { "  a provider runs here" } else { "" };
        output::line(&format!(
            "  {}  {}{role}",
            account.address,
            out.join("accounts").join(index.to_string()).display()
        ))?;
    }
    let (dir, password) = (out.join("accounts"), out.join("password"));
    output::line("\nTheir keys are anvil's, known to everybody: never send anything of worth to them. Try:")?;
    output::line(&format!("  export GOLEM_PASSWORD_FILE={}", password.display()))?;
    if args.providers == 0 {
        output::line(&format!("  golem --dir {} provide", dir.join("1").display()))?;
    }
    // They know the providers that were started with the chain, and nobody who came later.
    let first = if args.providers == 0 { " --bootstrap ADDRESS   # one that the provider listens on" } else { "" };
    output::line(&format!("  golem --dir {} run render -o out{first}", dir.join("0").display()))?;
    output::line("\nCtrl-C stops the chain, and everything on it is gone.")
}

/// Starts a provider on a data folder of this chain and waits until it is ready.
pub async fn start_provider(folder: &Path, password_file: &Path, more: &[String]) -> anyhow::Result<Service> {
    let mut arguments = vec![
        "--dir".to_owned(),
        folder.display().to_string(),
        "--password-file".to_owned(),
        password_file.display().to_string(),
        "-vv".to_owned(),
        "provide".to_owned(),
        "--json".to_owned(),
        "--until-stdin-ends".to_owned(),
    ];
    arguments.extend_from_slice(more);
    let name = format!("the provider in {}", folder.display());
    Service::start(&name, &arguments, &folder.join("provider.log")).await
}

/// An address at which a provider that has said it is ready can be reached.
pub fn first_address(ready: &Value) -> Option<String> {
    let addresses = ready["status"]["network"]["addresses"].as_array()?;
    addresses.iter().filter_map(Value::as_str).find(|address| address.contains("/p2p/")).map(str::to_owned)
}

/// Empties what an earlier devnet left, and holds the folder while this one runs.
fn prepare(out: &Path) -> anyhow::Result<File> {
    let shown = out.display();
    let cannot = |what: &str| format!("cannot {what} the folder {shown}");
    fs::create_dir_all(out).with_context(|| cannot("create"))?;
    let entries = fs::read_dir(out).with_context(|| cannot("list"))?.count();
    let marker = out.join(MARKER);
    if entries > 0 && !marker.exists() {
        bail!("{shown} is not empty and was not made by `golem devnet`: name another folder with --out");
    }
    let lock = File::options().create(true).append(true).open(&marker).with_context(|| cannot("write to"))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            bail!("a devnet runs on {shown} already: stop it, or name another folder with --out")
        }
        Err(TryLockError::Error(error)) => return Err(error).with_context(|| cannot("lock")),
    }
    // What is left belongs to a chain that is gone.
    for entry in fs::read_dir(out).with_context(|| cannot("list"))? {
        let path = entry.with_context(|| cannot("list"))?.path();
        if path == marker {
            continue;
        }
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(lock)
}

fn write_account(folder: &Path, account: &DevAccount, rpc_url: &str) -> anyhow::Result<()> {
    let opened = Folder::open_or_create(folder)?;
    Wallet::from_secret(account.key)?.save(&opened.keystore(), PASSWORD)?;
    write_settings(folder, rpc_url, None)
}

fn write_settings(folder: &Path, rpc_url: &str, bootstrap: Option<&str>) -> anyhow::Result<()> {
    let bootstrap = bootstrap.map(|address| format!("\"{address}\"")).unwrap_or_default();
    let settings = format!(
        "# Written by `golem devnet`.\n[chain]\nrpc_url = \"{rpc_url}\"\ndeployment = \"../../deployment.json\"\n\
         poll_ms = {POLL_MS}\n\n\
         [network]\nlisten = [\"/ip4/127.0.0.1/udp/0/quic-v1\", \"/ip4/127.0.0.1/tcp/0\"]\nbootstrap = [{bootstrap}]\n"
    );
    let file = folder.join("golem.toml");
    write_private(&file, settings.as_bytes()).with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empties_only_what_a_devnet_made_and_only_one_at_a_time() {
        let home = tempfile::tempdir().unwrap();
        let other = home.path().join("other");
        fs::create_dir(&other).unwrap();
        fs::write(other.join("letter.txt"), "hello").unwrap();
        assert!(prepare(&other).unwrap_err().to_string().contains("not made by"));
        assert!(other.join("letter.txt").exists());

        let ours = home.path().join("ours");
        let lock = prepare(&ours).unwrap();
        fs::create_dir_all(ours.join("accounts/0")).unwrap();
        assert!(prepare(&ours).unwrap_err().to_string().contains("already"));
        assert!(ours.join("accounts/0").exists());
        drop(lock);
        let _lock = prepare(&ours).unwrap();
        assert!(!ours.join("accounts").exists());
    }
}
