//! What is priced, and the file it stands in.

/// When an option pays.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// By the price at expiry.
    European,
    /// By the mean of the prices at some dates.
    Asian { dates: u32 },
    /// By the geometric mean of the prices at some dates.
    GeometricAsian { dates: u32 },
    /// By the price at expiry, unless (`out`) or only if (`in`) the price has been at a level, watched all the time.
    Barrier { level: f64, up: bool, knocks_in: bool },
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::European => "european",
            Kind::Asian { .. } => "asian",
            Kind::GeometricAsian { .. } => "geometric-asian",
            Kind::Barrier { up: true, knocks_in: true, .. } => "up-and-in",
            Kind::Barrier { up: true, knocks_in: false, .. } => "up-and-out",
            Kind::Barrier { up: false, knocks_in: true, .. } => "down-and-in",
            Kind::Barrier { up: false, knocks_in: false, .. } => "down-and-out",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Right {
    Call,
    Put,
}

impl Right {
    pub fn name(self) -> &'static str {
        match self {
            Right::Call => "call",
            Right::Put => "put",
        }
    }

    pub fn payoff(self, price: f64, strike: f64) -> f64 {
        match self {
            Right::Call => (price - strike).max(0.0),
            Right::Put => (strike - price).max(0.0),
        }
    }
}

/// An option.
#[derive(Clone, Debug, PartialEq)]
pub struct Contract {
    pub name: String,
    pub kind: Kind,
    pub right: Right,
    pub spot: f64,
    pub strike: f64,
    /// Interest and dividends a year, continuously paid.
    pub rate: f64,
    pub dividend: f64,
    pub volatility: f64,
    pub years: f64,
}

const FIELDS: &str = "name,type,right,spot,strike,rate,dividend,volatility,years,barrier,dates";
/// The most options and dates of one: a subtask has to end.
const CONTRACTS_MAX: usize = 1000;
const DATES_MAX: u32 = 10_000;

impl Contract {
    /// Reads a line of the market.
    pub fn parse(line: &str) -> Result<Contract, String> {
        let read = fields(line)?;
        let fields: Vec<&str> = read.iter().map(|field| field.trim()).collect();
        let fields = match fields[..] {
            [a, b, c, d, e, f, g, h, i, j, k] => [a, b, c, d, e, f, g, h, i, j, k],
            _ => return Err(format!("it has {} fields and not the 11 of {FIELDS}", fields.len())),
        };
        let [name, kind, right, spot, strike, rate, dividend, volatility, years, barrier, dates] = fields;
        let number = |what: &str, text: &str, least: f64, most: f64| match text.parse::<f64>() {
            Ok(value) if value >= least && value <= most => Ok(value),
            _ => Err(format!("{what} is `{text}`, and has to be a number from {least} to {most}")),
        };
        let spot_value = number("spot", spot, 1e-6, 1e9)?;
        let dates = || match dates.parse::<u32>() {
            Ok(count) if (1..=DATES_MAX).contains(&count) => Ok(count),
            _ => Err(format!("dates is `{dates}`, and has to be a whole number from 1 to {DATES_MAX}")),
        };
        let watched = |up: bool, knocks_in: bool| {
            let level = number("barrier", barrier, 1e-6, 1e9)?;
            if up == (level > spot_value) && level != spot_value {
                return Ok(Kind::Barrier { level, up, knocks_in });
            }
            Err(format!("a barrier at {level} is on the wrong side of a price of {spot} for {kind}"))
        };
        Ok(Contract {
            name: name.to_owned(),
            kind: match kind {
                "european" => Kind::European,
                "asian" => Kind::Asian { dates: dates()? },
                "geometric-asian" => Kind::GeometricAsian { dates: dates()? },
                "up-and-in" => watched(true, true)?,
                "up-and-out" => watched(true, false)?,
                "down-and-in" => watched(false, true)?,
                "down-and-out" => watched(false, false)?,
                _ => {
                    return Err(format!(
                    "there is no type `{kind}`: european, asian, geometric-asian, up-and-in, up-and-out, down-and-in \
                         and down-and-out there are"
                ))
                }
            },
            right: match right {
                "call" => Right::Call,
                "put" => Right::Put,
                _ => return Err(format!("the right is `{right}`, and has to be call or put")),
            },
            spot: spot_value,
            strike: number("strike", strike, 1e-6, 1e9)?,
            rate: number("rate", rate, -1.0, 1.0)?,
            dividend: number("dividend", dividend, -1.0, 1.0)?,
            volatility: number("volatility", volatility, 1e-4, 5.0)?,
            years: number("years", years, 1e-4, 100.0)?,
        })
    }

    /// The line it would be read from.
    pub fn line(&self) -> String {
        let (barrier, dates) = match self.kind {
            Kind::European => (String::new(), String::new()),
            Kind::Asian { dates } | Kind::GeometricAsian { dates } => (String::new(), dates.to_string()),
            Kind::Barrier { level, .. } => (level.to_string(), String::new()),
        };
        format!(
            "{},{},{},{},{},{},{},{},{},{barrier},{dates}",
            quoted(&self.name),
            self.kind.name(),
            self.right.name(),
            self.spot,
            self.strike,
            self.rate,
            self.dividend,
            self.volatility,
            self.years
        )
    }
}

/// The fields of a line of CSV. What stands in quotation marks may hold commas, and quotation marks twice.
///
/// Source: RFC 4180, but for line breaks within a field.
fn fields(line: &str) -> Result<Vec<String>, String> {
    let (mut fields, mut field, mut within) = (Vec::new(), String::new(), false);
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if within && letters.peek() == Some(&'"') => {
                letters.next();
                field.push('"');
            }
            '"' if within => within = false,
            '"' if field.trim().is_empty() => {
                field.clear();
                within = true;
            }
            ',' if !within => fields.push(std::mem::take(&mut field)),
            other => field.push(other),
        }
    }
    if within {
        return Err("a quotation mark has no second one".to_owned());
    }
    fields.push(field);
    Ok(fields)
}

/// A text as a field of CSV.
pub fn quoted(text: &str) -> String {
    if text.contains([',', '"']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// Reads a market: a heading, an option a line; lines that start with `#` are remarks.
pub fn parse(text: &str) -> Result<Vec<Contract>, String> {
    let mut lines = text.lines().enumerate().filter(|(_, line)| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with('#')
    });
    if lines.next().map(|(_, heading)| heading.trim()) != Some(FIELDS) {
        return Err(format!("its first line has to be the heading {FIELDS}"));
    }
    let contracts: Vec<Contract> = lines
        .map(|(at, line)| Contract::parse(line).map_err(|error| format!("line {}: {error}", at + 1)))
        .collect::<Result<_, _>>()?;
    if contracts.is_empty() || contracts.len() > CONTRACTS_MAX {
        return Err(format!("it has {} options, and 1 to {CONTRACTS_MAX} can be priced", contracts.len()));
    }
    Ok(contracts)
}
