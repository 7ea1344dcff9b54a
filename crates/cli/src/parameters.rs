//! Parameters of an app on the command line of `golem run`: `--NAME VALUE` for names that this program does not know.

use anyhow::bail;
use std::ffi::OsString;

/// Parameters of an app, as they stood on the command line.
pub type Parameters = Vec<(String, String)>;

/// Takes the app's own parameters (`--NAME VALUE` that is no flag of ours) out of the command line of `golem run` and
/// `golem app run`. Errors: one without a value; an app must not be run with a value that nobody gave.
pub fn split_parameters(
    arguments: Vec<OsString>,
    command: &clap::Command,
) -> anyhow::Result<(Vec<OsString>, Parameters)> {
    let Some(run) = command.find_subcommand("run") else { return Ok((arguments, Vec::new())) };
    let known = |name: &str| {
        let ours = run.get_arguments().chain(command.get_arguments());
        name == "help" || name == "version" || ours.filter_map(clap::Arg::get_long).any(|long| long == name)
    };
    // Global flags may stand before the word `run`; only what follows it can belong to the app.
    let Some(at) = arguments.iter().position(|argument| argument == "run") else { return Ok((arguments, Vec::new())) };
    let before = arguments[..at].iter().skip(1).map(|argument| argument.to_string_lossy());
    let commands: Vec<_> = before.filter(|word| command.find_subcommand(word.as_ref()).is_some()).collect();
    if !commands.is_empty() && commands != ["app"] {
        return Ok((arguments, Vec::new()));
    }
    let (mut kept, mut parameters) = (arguments[..=at].to_vec(), Vec::new());
    let mut rest = arguments[at + 1..].iter();
    while let Some(argument) = rest.next() {
        let text = argument.to_string_lossy();
        let named = text.strip_prefix("--").filter(|name| !name.is_empty());
        match named.map(|name| name.split_once('=').map_or((name, None), |(name, value)| (name, Some(value)))) {
            Some((name, value)) if !known(name) => {
                let value = match value {
                    Some(value) => Some(value.to_owned()),
                    None => rest.next().map(|next| next.to_string_lossy().into_owned()).filter(|next| !is_flag(next)),
                };
                let Some(value) = value.filter(|value| !value.is_empty()) else {
                    bail!(
                        "--{name} needs a value: write --{name} VALUE, --{name}=VALUE for one that begins with a dash, or \
                         --set {name}= for an empty one. `golem app info APP` lists the parameters of an app"
                    );
                };
                parameters.push((name.to_owned(), value));
            }
            _ => kept.push(argument.clone()),
        }
    }
    Ok((kept, parameters))
}

/// Whether a word is the next flag rather than a value: numbers may be negative.
fn is_flag(word: &str) -> bool {
    let mut rest = word.chars();
    rest.next() == Some('-') && rest.next().is_some_and(|second| second == '-' || second.is_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn split(line: &str) -> (Vec<String>, Parameters) {
        let arguments = line.split_whitespace().map(OsString::from).collect();
        let (kept, parameters) = split_parameters(arguments, &crate::Cli::command()).unwrap();
        (kept.into_iter().map(|argument| argument.into_string().unwrap()).collect(), parameters)
    }

    fn named(pairs: &[(&str, &str)]) -> Parameters {
        pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    #[test]
    fn tells_the_apps_parameters_from_its_own_flags() {
        let (kept, parameters) = split("golem --dir d run render --scene my.obj --budget 5 --width=640 -o out --json");
        assert_eq!(kept.join(" "), "golem --dir d run render --budget 5 -o out --json");
        assert_eq!(parameters, named(&[("scene", "my.obj"), ("width", "640")]));
        let (kept, parameters) = split("golem app run render --scene x -o out");
        assert_eq!((kept.join(" ").as_str(), parameters.len()), ("golem app run render -o out", 1));
        let (kept, parameters) = split("golem map run --scene x");
        assert_eq!((kept.len(), parameters.len()), (5, 0), "only `golem run` has apps");
    }
    #[test]
    fn refuses_a_parameter_without_a_value() {
        for line in [
            "golem run mine -o out --bits",
            "golem run mine --bits= -o out",
            "golem run mine --bits --dry-run",
            "golem run mine --bits -o out",
            "golem app run mine --bits --from 5",
        ] {
            let arguments = line.split_whitespace().map(OsString::from).collect();
            let error = split_parameters(arguments, &crate::Cli::command()).unwrap_err();
            assert!(error.to_string().contains("--bits needs a value"), "{line}: {error}");
        }
        assert_eq!(split("golem run x --from -5 --to=-o").1, named(&[("from", "-5"), ("to", "-o")]));
    }
}
