//! What is said of subtasks that failed for good: all of it in the folder for results, the first of them on the screen.

use crate::output::{count, tame};
use anyhow::Context as _;
use golem_node::FailedSubtask;
use std::fmt::Display;
use std::path::{Path, PathBuf};

/// The file with all of it.
const FILE: &str = "failed.txt";
/// What it begins with: a file of another kind is left as it is.
const HEADING: &str = "Failed subtasks of the task ";
/// How many are shown, and how many lines of each. Reason: a screen.
const SHOWN_MAX: usize = 6;
const LINES_MAX: usize = 4;
/// How many lines are shown of one that is alone.
const LINES_ALONE_MAX: usize = 16;

/// Writes the failures of a task down, each with all that is known of it, and gives the file; where there are none, what
/// an earlier run of it left is removed.
pub fn keep(task: impl Display, failed: &[FailedSubtask], out: &Path) -> anyhow::Result<Option<PathBuf>> {
    let path = out.join(FILE);
    let ours = match std::fs::read(&path) {
        Ok(bytes) => bytes.starts_with(HEADING.as_bytes()),
        Err(_) => !path.exists(),
    };
    if failed.is_empty() {
        if ours && path.exists() {
            std::fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
        return Ok(None);
    }
    if !ours {
        anyhow::bail!("{} is there and of something else, so what failed is not written down", path.display());
    }
    let mut text = format!("{HEADING}{task}\n");
    failed.iter().for_each(|one| text.push_str(&format!("\n{}", shown(one, usize::MAX))));
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(Some(path))
}

/// The first of them, and where the others are.
pub fn listed(failed: &[FailedSubtask], file: Option<&Path>) -> String {
    let lines_max = if failed.len() == 1 { LINES_ALONE_MAX } else { LINES_MAX };
    let mut text: String = failed.iter().take(SHOWN_MAX).map(|one| shown(one, lines_max)).collect();
    let more = failed.len().saturating_sub(SHOWN_MAX);
    if more > 0 {
        text.push_str(&format!("... and {}\n", count(more, "more subtask")));
    }
    if let Some(file) = file {
        text.push_str(&format!("All that is known of it is in {}.\n", file.display()));
    }
    text
}

/// A failure: its subtask, what happened, and the last lines that the program printed.
fn shown(one: &FailedSubtask, lines_max: usize) -> String {
    let reason = tame(&one.reason);
    let mut lines = reason.trim_end().lines();
    let mut text = format!("{}: {}\n", named(one.index, &one.name), lines.next().unwrap_or("it gave no reason"));
    let rest: Vec<&str> = lines.collect();
    let skipped = rest.len().saturating_sub(lines_max);
    if skipped > 0 {
        text.push_str("    ...\n");
    }
    rest[skipped..].iter().for_each(|line| text.push_str(&format!("    {line}\n")));
    text
}

/// A subtask by its number, and by its name where that says more.
pub fn named(index: u32, name: &str) -> String {
    let number = index.to_string();
    if name.is_empty() || name == number { format!("subtask {number}") } else { format!("subtask {number} ({name})") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(index: u32, reason: &str) -> FailedSubtask {
        FailedSubtask { index, name: format!("in-{index}.txt"), reason: reason.to_owned() }
    }

    #[test]
    fn shows_the_last_lines_and_keeps_all() {
        let out = tempfile::tempdir().unwrap();
        let many: String = (0..40).map(|line| format!("line {line}\n")).collect();
        let reason = format!("the program exited with code 7; it printed last:\n{many}");
        let failed: Vec<FailedSubtask> = (0..9).map(|index| failed(index, &reason)).collect();
        let file = keep("0x12", &failed, out.path()).unwrap().unwrap();
        let text = listed(&failed, Some(&file));
        for part in
            ["subtask 0 (in-0.txt): the program exited with code 7", "    line 39\n", "3 more subtasks", "failed.txt"]
        {
            assert!(text.contains(part), "lacks `{part}`: {text}");
        }
        assert!(text.lines().count() < 50 && !text.contains("line 35\n"), "it is short: {text}");
        assert!(listed(&failed[..1], None).contains("line 30\n"), "one alone has more room");
        let kept = std::fs::read_to_string(&file).unwrap();
        assert!(kept.contains("subtask 8 (in-8.txt)") && kept.contains("line 0\n"), "{kept}");
        assert_eq!(keep("0x12", &[], out.path()).unwrap(), None);
        assert!(!file.exists(), "what was tried again with success is no failure any more");
    }

    #[test]
    fn writes_over_no_file_of_another_kind() {
        let out = tempfile::tempdir().unwrap();
        std::fs::write(out.path().join(FILE), "mine").unwrap();
        assert!(keep("0x12", &[failed(0, "x")], out.path()).is_err());
        keep("0x12", &[], out.path()).unwrap();
        assert_eq!(std::fs::read(out.path().join(FILE)).unwrap(), b"mine");
    }

    #[test]
    fn strangers_words_move_no_cursor_and_a_number_is_no_second_name() {
        assert!(!listed(&[failed(0, "a\u{1b}[2J\nb")], None).contains('\u{1b}'));
        assert_eq!((named(3, "3"), named(3, "a")), ("subtask 3".to_owned(), "subtask 3 (a)".to_owned()));
    }
}
