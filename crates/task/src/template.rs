//! Arguments with placeholders.

use std::collections::BTreeMap;
use std::fmt;

/// An argument such as `--tile={index}`. `{{` and `}}` stand for braces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Placeholder(String),
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A brace without its other half.
    #[error("`{text}` has a single brace; write {{{{ or }}}} for a brace itself")]
    Brace {
        /// The text.
        text: String,
    },
    /// A placeholder that has no value here.
    #[error("`{text}` uses {{{name}}}, which has no value here; known are {known}")]
    Unknown {
        /// The text.
        text: String,
        /// The placeholder.
        name: String,
        /// Those that have a value.
        known: String,
    },
}

impl Template {
    /// Reads a template. Errors: a single brace.
    pub fn parse(text: &str) -> Result<Template, TemplateError> {
        let bad = || TemplateError::Brace { text: text.to_owned() };
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '{' | '}' if rest.peek() == Some(&c) => {
                    rest.next();
                    plain.push(c);
                }
                '{' => {
                    let mut name = String::new();
                    loop {
                        match rest.next() {
                            Some('}') => break,
                            Some(c) if c.is_ascii_alphanumeric() || c == '_' => name.push(c),
                            _ => return Err(bad()),
                        }
                    }
                    if name.is_empty() {
                        return Err(bad());
                    }
                    if !plain.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut plain)));
                    }
                    parts.push(Part::Placeholder(name));
                }
                '}' => return Err(bad()),
                c => plain.push(c),
            }
        }
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Template { text: text.to_owned(), parts })
    }

    /// The text with every placeholder replaced. A value is taken as it is, braces and all.
    ///
    /// Errors: a placeholder without a value.
    pub fn fill(&self, values: &BTreeMap<&str, String>) -> Result<String, TemplateError> {
        let mut filled = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Placeholder(name) => filled.push_str(values.get(name.as_str()).ok_or_else(|| {
                    let known = values.keys().map(|key| format!("{{{key}}}")).collect::<Vec<_>>().join(", ");
                    TemplateError::Unknown { text: self.text.clone(), name: name.clone(), known }
                })?),
            }
        }
        Ok(filled)
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
