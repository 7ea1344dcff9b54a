//! The report: one HTML file that needs nothing else, in light and dark, on a phone and on a desk.

use super::charts::{About, charts, spoken};
use super::expect::Expected;
use super::plot::{Ink, escape, short, svg};
use super::results::{Results, metric_info};
use super::stats::Estimate;
use super::verdict::{Checked, Verdict};
use std::fmt::Write as _;

const STYLE: &str = include_str!("page.css");
/// The most rows of a table that is open from the start.
const ROWS_OPEN: usize = 24;

/// What whoever ran an experiment measured and knows of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunFacts {
    /// Name and value, as they are shown: version, digest, times.
    pub facts: Vec<(String, String)>,
    /// The command that makes the same again.
    pub command: String,
    /// The experiment file.
    pub file: String,
}

/// A line of the index of several reports.
#[derive(Clone, Debug)]
pub struct IndexEntry {
    /// Of the experiment.
    pub id: String,
    /// Of the experiment.
    pub title: String,
    /// What the published text says.
    pub claim: String,
    /// Where its report is, from the index.
    pub link: String,
    /// Its expectations.
    pub checked: Vec<Checked>,
    /// How many runs it took.
    pub runs: usize,
}

/// The report on an experiment.
pub fn page(results: &Results, facts: &RunFacts) -> String {
    let experiment = &results.experiment;
    let mut body = String::new();
    let size = if experiment.options.quick { " · quick size" } else { "" };
    let _ = write!(
        body,
        "<header><p class=\"kicker\">{}{size}</p><h1>{}</h1><p class=\"tally\">{}</p></header>",
        escape(&experiment.id),
        escape(&experiment.title),
        tally(&results.checked)
    );
    let _ = write!(
        body,
        "<section class=\"pair\"><div class=\"card\"><h2>The claim</h2><p>{}</p></div>\
         <div class=\"card\"><h2>What should come out</h2><p>{}</p></div></section>",
        escape(experiment.claim.trim()),
        escape(experiment.expectation.trim())
    );
    expectations(results, &mut body);
    let charts = charts(results);
    let figures = |about, heading: &str, note: &str, body: &mut String| {
        let those: Vec<_> = charts.iter().filter(|chart| chart.about == about).collect();
        if those.is_empty() {
            return;
        }
        let _ = write!(body, "<section><h2>{heading}</h2><p class=\"note\">{note}</p><div class=\"plots\">");
        for chart in those {
            let _ = write!(body, "<figure>{}</figure>", svg(&chart.plot, Ink::Page));
        }
        body.push_str("</div></section>");
    };
    figures(About::Metric, "What it depends on", "Means over repetitions with 95 % intervals.", &mut body);
    table(results, &mut body);
    figures(
        About::Time,
        "Over time",
        "Means over the first repetitions with 95 % bands, the warm-up included.",
        &mut body,
    );
    let note = "One run each: the first seed. Bars are 95 % intervals over providers.";
    figures(About::Earnings, "Who earns what", note, &mut body);
    making(results, facts, &mut body);
    document(&format!("{}: {}", experiment.id, experiment.title), &body)
}

/// The index of several reports.
pub fn index_page(title: &str, entries: &[IndexEntry]) -> String {
    let mut body = String::new();
    let all: Vec<Checked> = entries.iter().flat_map(|entry| entry.checked.clone()).collect();
    let runs: usize = entries.iter().map(|entry| entry.runs).sum();
    let _ = write!(
        body,
        "<header><p class=\"kicker\">{} experiments · {} runs</p><h1>{}</h1><p class=\"tally\">{}</p></header><section class=\"list\">",
        entries.len(),
        short(runs as f64),
        escape(title),
        tally(&all)
    );
    for entry in entries {
        let _ = write!(
            body,
            "<a class=\"card\" href=\"{}\"><h2><span class=\"id\">{}</span> {}</h2><p>{}</p><p class=\"tally\">{}</p></a>",
            escape(&entry.link),
            escape(&entry.id),
            escape(&entry.title),
            escape(entry.claim.trim()),
            tally(&entry.checked)
        );
    }
    body.push_str("</section>");
    document(title, &body)
}

fn document(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>{}</title><style>{STYLE}</style></head>\
         <body><main>{body}</main></body></html>\n",
        escape(title)
    )
}

/// How many hold, and how many do not.
fn tally(checked: &[Checked]) -> String {
    let count = |verdict| checked.iter().filter(|checked| checked.verdict == verdict).count();
    let mut text = String::new();
    for (verdict, class) in [(Verdict::Pass, "pass"), (Verdict::Fail, "fail"), (Verdict::Inconclusive, "open")] {
        let number = count(verdict);
        if number > 0 {
            let _ = write!(text, "<span class=\"badge {class}\">{number} {}</span> ", verdict.word());
        }
    }
    let against = checked.iter().filter(|checked| checked.is_contradicted()).count();
    if against > 0 {
        let _ = write!(text, "<span class=\"badge against\">{against} against the record</span>");
    }
    if text.is_empty() { "<span class=\"badge open\">nothing is checked</span>".to_owned() } else { text }
}

fn badge(verdict: Verdict) -> String {
    let class = match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
        Verdict::Inconclusive => "open",
    };
    format!("<span class=\"badge {class}\">{}</span>", verdict.word())
}

fn expectations(results: &Results, body: &mut String) {
    if results.checked.is_empty() {
        return;
    }
    body.push_str("<section><h2>Expectations</h2>");
    for checked in &results.checked {
        let record = match (checked.is_contradicted(), checked.expected, checked.verdict) {
            (true, Expected::Pass, _) => "<span class=\"badge against\">recorded as PASS</span>",
            (true, Expected::Fail, _) => "<span class=\"badge against\">recorded as FAIL</span>",
            (false, Expected::Fail, Verdict::Fail) => "<span class=\"known\">a known finding</span>",
            _ => "",
        };
        let record = if checked.in_part {
            format!("{record} <span class=\"known\">in the cells played</span>")
        } else {
            record.to_owned()
        };
        let _ = write!(
            body,
            "<div class=\"card expect\"><p class=\"what\">{} <span>{}</span> {record}</p><p class=\"rule\"><code>{}</code> {}</p>",
            badge(checked.verdict),
            escape(&checked.text),
            escape(&checked.quantity),
            escape(&checked.rule)
        );
        // What is as it is recorded needs no second look.
        let open = if checked.is_contradicted() || checked.verdict == Verdict::Inconclusive { " open" } else { "" };
        let compared = checked.findings.iter().any(|finding| finding.p.is_some());
        let (value, p) = if compared { ("difference", "<th class=\"n\">p (Holm)</th>") } else { ("value", "") };
        let _ = write!(
            body,
            "<details{open}><summary>{} looked at</summary><div class=\"scroll\"><table><thead><tr><th>where</th>\
             <th class=\"n\">{value}</th>{p}<th class=\"n\">n</th><th>says</th></tr></thead><tbody>",
            things(checked.findings.len(), if compared { "comparison" } else { "cell" })
        );
        for finding in &checked.findings {
            let p = finding.p.map_or(String::new(), |p| {
                let text = if p < 1e-4 { "&lt; 0.0001".to_owned() } else { short(p) };
                format!("<td class=\"n\">{text}</td>")
            });
            let place = if finding.place.is_empty() { "everywhere" } else { &finding.place };
            let _ = write!(
                body,
                "<tr><td>{}</td><td class=\"n\">{}</td>{p}<td class=\"n\">{}</td><td>{}</td></tr>",
                escape(place),
                with_width(&finding.estimate),
                finding.estimate.n,
                badge(finding.verdict)
            );
        }
        body.push_str("</tbody></table></div></details></div>");
    }
    body.push_str("</section>");
}

fn things(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// Stands behind a mean where all runs came to the same.
pub const ALIKE: &str = "*";

/// What that mark says.
pub const ALIKE_MEANS: &str = "the same in all runs: no spread was seen, which is not that there is none";

/// A mean with its half width, both to the digit that the width makes doubtful.
pub fn with_width(estimate: &Estimate) -> String {
    let Estimate { mean, half_width, .. } = *estimate;
    if !mean.is_finite() {
        return "-".into();
    }
    if !half_width.is_finite() {
        return short(mean);
    }
    if half_width == 0.0 {
        return format!("{}{ALIKE}", short(mean));
    }
    // Two digits of the width; no more than six after the point.
    let after = 1 - libm::log10(half_width).floor() as i32;
    if !(0..=6).contains(&after) {
        return format!("{} ± {}", short(mean), short(half_width));
    }
    let after = after as usize;
    format!("{mean:.after$} ± {half_width:.after$}")
}

fn table(results: &Results, body: &mut String) {
    let shown = results.experiment.shown();
    if shown.is_empty() {
        return;
    }
    let open = if results.cells.len() <= ROWS_OPEN { " open" } else { "" };
    let _ = write!(
        body,
        "<section><h2>In numbers</h2><p class=\"note\">Mean ± half the 95 % interval over n repetitions; {ALIKE} {ALIKE_MEANS}. Where some \
         runs have no value, as of a time to something that they never reached, the mean is over the others.</p>\
         <details{open}><summary>{}</summary><div class=\"scroll\"><table><thead><tr>",
        things(results.cells.len(), "cell")
    );
    for axis in &results.experiment.axes {
        let _ = write!(body, "<th>{}</th>", escape(&axis.label));
    }
    body.push_str("<th class=\"n\">n</th>");
    for metric in &shown {
        let unit = metric_info(metric).map_or("", |info| info.unit);
        let unit = if unit.is_empty() { String::new() } else { format!("<small>{}</small>", escape(unit)) };
        let meaning = metric_info(metric).map_or("", |info| info.meaning);
        let _ = write!(body, "<th class=\"n\" title=\"{}\">{} {unit}</th>", escape(meaning), escape(&spoken(metric)));
    }
    body.push_str("</tr></thead><tbody>");
    for (number, (cell, runs)) in results.experiment.cells.iter().zip(&results.cells).enumerate() {
        body.push_str("<tr>");
        for (axis, point) in results.experiment.axes.iter().zip(&cell.points) {
            let name = axis.points.get(*point).map_or("", |point| point.name.as_str());
            let _ = write!(body, "<td>{}</td>", escape(name));
        }
        let _ = write!(body, "<td class=\"n\">{}</td>", runs.seeds.len());
        for metric in &shown {
            let _ = write!(body, "<td class=\"n\">{}</td>", results.told(number, metric));
        }
        body.push_str("</tr>");
    }
    body.push_str("</tbody></table></div></details><dl class=\"meanings\">");
    for metric in &shown {
        let meaning = metric_info(metric).map_or("", |info| info.meaning);
        let _ = write!(body, "<dt>{}</dt><dd>{}</dd>", escape(&spoken(metric)), escape(meaning));
    }
    body.push_str("</dl></section>");
}

fn making(results: &Results, facts: &RunFacts, body: &mut String) {
    let repeat = &results.experiment.repeat;
    let counts: Vec<usize> = results.cells.iter().map(|cell| cell.seeds.len()).collect();
    let (least, most) = (counts.iter().min().copied().unwrap_or(0), counts.iter().max().copied().unwrap_or(0));
    let times = if least == most { format!("{least}") } else { format!("{least} to {most}") };
    let _ = write!(
        body,
        "<section><h2>How it was made</h2><dl class=\"facts\"><dt>runs</dt><dd>{} in {}, {times} each, seeds from {}</dd>",
        short(results.runs() as f64),
        things(results.cells.len(), "cell"),
        repeat.seed
    );
    for (name, value) in &facts.facts {
        let _ = write!(body, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(value));
    }
    let _ = write!(
        body,
        "</dl><p>The same again: <code>{}</code></p><p class=\"note\">Intervals are Student's; comparisons are pair by pair \
         on common seeds, one sided both ways, with Holm's correction over all of them. PASS and FAIL are said with 95 % \
         confidence.</p><details><summary>The experiment file</summary><pre>{}</pre></details></section>",
        escape(&facts.command),
        escape(&facts.file)
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_is_written_to_the_digit_in_doubt() {
        let of = |mean, half_width| with_width(&Estimate { mean, half_width, sd: 1.0, n: 30 });
        assert_eq!(of(0.532_45, 0.012_3), "0.532 ± 0.012");
        assert_eq!(of(1_234.567, 45.6), "1235 ± 46");
        assert_eq!(of(2.0, 0.0), "2*");
        assert_eq!(of(f64::NAN, 1.0), "-");
        assert_eq!(of(0.5, f64::NAN), "0.5");
        assert_eq!(of(123_456.0, 2_345.0), "123\u{202f}456 ± 2345");
    }
}
