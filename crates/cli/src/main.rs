//! `golem`: the one binary. It parses arguments, starts nodes, and prints; everything else is in the crates below it.
//!
//! Answers go to stdout, talk and progress to stderr. It ends with 0 for done, 1 for a clean no, 2 for a failure.

#![warn(clippy::print_stderr, clippy::print_stdout)]

/// Writes a line to stderr. A reader that has gone is no reason to stop.
macro_rules! note {
    ($($what:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($what)*);
    }};
}

mod api;
mod app;
mod apps;
mod bundled;
mod catalogue;
mod channel;
mod claim_plan;
mod concent;
mod context;
mod convert;
mod demo;
mod deploy;
mod deployments;
mod devnet;
mod files;
mod ledger;
mod local;
mod market;
mod output;
mod packages;
mod parameters;
mod plan_report;
mod preview;
mod process;
mod programs;
mod progress;
mod provide;
mod replay;
mod run;
mod sim;
mod starter;
mod status;
mod tx;
mod wallet;
mod workbench;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use context::{Context, Global};
use std::ffi::OsString;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// A marketplace for computing power with no operator: run work on strangers' machines, or rent out this one.
#[derive(Parser)]
#[command(name = "golem", version, about, propagate_version = true, max_term_width = 110)]
#[command(
    after_help = "Ends with 0 for done, 1 for a clean no, 2 for a failure. Answers go to stdout, talk to stderr.\n\
    Settings that are used every day can stand in golem.toml in the data folder."
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make, import and look at the key of this node
    #[command(subcommand)]
    Wallet(wallet::WalletCommand),
    /// Deploy the contracts to a chain
    Deploy(deploy::DeployArgs),
    /// Start a development chain with the contracts and funded accounts
    Devnet(devnet::DevnetArgs),
    /// Rent out this machine
    Provide(provide::ProvideArgs),
    /// Run an app that ships with golem, or a manifest, on machines of the network
    Run(run::RunArgs),
    /// Run a WASI program or a script once for each input file, on machines of the network
    Map(run::MapArgs),
    /// Open, fund, list, claim and close payment channels
    #[command(subcommand)]
    Channel(channel::ChannelCommand),
    /// The deposit that stands behind deals: put in, look at, take out
    #[command(subcommand)]
    Concent(concent::ConcentCommand),
    /// Apps: list what ships, run, start your own; and what an author does: publish, set the fee, collect
    #[command(subcommand)]
    App(app::AppCommand),
    /// Show how a node stands: its network, its deals, its money
    Status(status::StatusArgs),
    /// Explain prices and scores, term by term, and show what is remembered of providers
    #[command(subcommand)]
    Market(market::MarketCommand),
    /// Hold the machines that nodes run against simulated worlds
    #[command(subcommand)]
    Sim(sim::SimCommand),
    /// Make the decisions of a node again from its trace, and say whether they are the same
    Replay(replay::ReplayArgs),
    /// Show everything once: a chain, three providers, a picture, paid and settled
    Demo(demo::DemoArgs),
}

/// What a command came to, apart from failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// Done: exit 0.
    Yes,
    /// A clean no: exit 1.
    No,
}

fn main() -> ExitCode {
    // Before anything is opened or begun: a worker takes from itself all that it does not need.
    #[cfg(target_os = "linux")]
    if std::env::args_os().skip(1).eq([golem_sandbox::WORKER_COMMAND]) {
        return golem_sandbox::sandbox_worker();
    }
    // Before it is known whether the rest makes sense: a script is told of that, too.
    let json = std::env::args_os().skip(1).take_while(|argument| argument != "--").any(|argument| argument == "--json");
    let fail = |error: &anyhow::Error| failed(error, json);
    let split = parameters::split_parameters(std::env::args_os().collect(), &Cli::command());
    let (arguments, parameters) = match split {
        Ok(split) => split,
        Err(error) => return fail(&error),
    };
    let cli = match parse(arguments) {
        Ok(cli) => cli,
        // clap knows whether it is help (stdout, 0) or a mistake (stderr, 2).
        Err(error) => {
            if json && error.use_stderr() {
                print_failure(error.to_string().trim_start_matches("error: ").trim_end());
            }
            error.exit()
        }
    };
    if let Err(error) = start_log(&cli.global) {
        return fail(&error);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&anyhow::anyhow!("cannot start the threads that this program needs: {error}")),
    };
    let answer = runtime.block_on(dispatch(cli, parameters));
    // A read from a terminal that nobody answers must not hold the end.
    runtime.shutdown_background();
    match answer {
        Ok(Answer::Yes) => ExitCode::SUCCESS,
        Ok(Answer::No) => ExitCode::from(1),
        Err(error) => fail(&error),
    }
}

/// Reads the command line.
///
/// Errors: of a mistake, as it is where no variable of the environment stands for a flag, or the usage line would have that
/// flag among those that have to be given.
fn parse(arguments: Vec<OsString>) -> Result<Cli, clap::Error> {
    let parse_by = |command: clap::Command| {
        command.try_get_matches_from(&arguments).and_then(|matches| Cli::from_arg_matches(&matches))
    };
    parse_by(Cli::command()).map_err(|error| match parse_by(without_environment(Cli::command())) {
        Err(alone) if error.use_stderr() && alone.kind() == error.kind() => alone,
        Ok(_) | Err(_) => error,
    })
}

fn without_environment(command: clap::Command) -> clap::Command {
    command.mut_args(|arg| arg.env(None::<&'static str>)).mut_subcommands(without_environment)
}

async fn dispatch(cli: Cli, parameters: parameters::Parameters) -> anyhow::Result<Answer> {
    let context = Context::new(cli.global);
    match cli.command {
        Command::Wallet(command) => wallet::run(&context, command).await,
        Command::Deploy(args) => deploy::run(&context, args).await,
        Command::Devnet(args) => devnet::run(&context, args).await,
        Command::Provide(args) => provide::run(&context, args).await,
        Command::Run(args) => run::run(&context, args, parameters).await,
        Command::Map(args) => run::map(&context, args).await,
        Command::Channel(command) => channel::run(&context, command).await,
        Command::Concent(command) => concent::run(&context, command).await,
        Command::App(command) => app::run(&context, command, parameters).await,
        Command::Status(args) => status::run(&context, args).await,
        Command::Market(command) => market::run(&context, command).await,
        Command::Sim(command) => sim::run(command),
        Command::Replay(args) => replay::run(&args),
        Command::Demo(args) => demo::run(&context, args).await,
    }
}

fn failed(error: &anyhow::Error, json: bool) -> ExitCode {
    if output::reader_is_gone(error) {
        return ExitCode::SUCCESS;
    }
    let text = output::error_text(error);
    if json {
        print_failure(&text);
    }
    note!("golem: {text}");
    ExitCode::from(2)
}

/// For a script, as the last line of what it reads.
fn print_failure(text: &str) {
    // Where it cannot be written there is nobody to tell.
    let _ = output::line(&serde_json::json!({ "error": text }).to_string());
}

fn start_log(global: &Global) -> anyhow::Result<()> {
    let filter = global.log_filter();
    let filter = EnvFilter::try_new(&filter).map_err(|error| {
        anyhow::anyhow!("--log `{filter}` is no filter ({error}): write one such as info or golem_node=debug")
    })?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match global.log_format {
        context::LogFormat::Text => log.with_ansi(output::stderr_is_terminal()).try_init(),
        context::LogFormat::Json => log.json().try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("cannot start the log: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_no_conflicting_arguments() {
        Cli::command().debug_assert();
    }
}
