//! What is folded, and the file it stands in.

/// A protein of hydrophobic and polar residues.
#[derive(Clone, Debug, PartialEq)]
pub struct Sequence {
    pub name: String,
    /// 2 for the square lattice, 3 for the cubic one.
    pub dim: usize,
    /// The lowest energy that anybody has found, where that is known.
    pub best: Option<i32>,
    pub letters: String,
}

/// The longest chain: a search counts its energy anew after each move.
pub const LENGTH_MAX: usize = 400;
const SEQUENCES_MAX: usize = 200;
const NAME_BYTES_MAX: usize = 60;

impl Sequence {
    /// As FASTA.
    pub fn line(&self) -> String {
        let best = self.best.map_or(String::new(), |best| format!(" best={best}"));
        format!(">{} dim={}{best}\n{}", self.name, self.dim, self.letters)
    }

    pub fn is_hydrophobic(&self, at: usize) -> bool {
        self.letters.as_bytes().get(at) == Some(&b'H')
    }

    fn heading(text: &str) -> Result<Sequence, String> {
        let mut words = text.split_whitespace();
        let name = words.next().unwrap_or_default().to_owned();
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.';
        if name.is_empty() || name.len() > NAME_BYTES_MAX || name.starts_with('.') || !name.chars().all(fits) {
            return Err(format!("`{name}` is no name: letters, digits, dashes, at most {NAME_BYTES_MAX}"));
        }
        let mut sequence = Sequence { name, dim: 2, best: None, letters: String::new() };
        for word in words {
            match word.split_once('=') {
                Some(("dim", "2")) => sequence.dim = 2,
                Some(("dim", "3")) => sequence.dim = 3,
                Some(("dim", other)) => return Err(format!("dim is {other}, and has to be 2 or 3")),
                Some(("best", energy)) => match energy.parse() {
                    Ok(energy) if energy <= 0 => sequence.best = Some(energy),
                    _ => return Err(format!("best is {energy}, and has to be a whole number below 1")),
                },
                // Other words are for people, as in any FASTA file.
                _ => {}
            }
        }
        Ok(sequence)
    }
}

/// Reads FASTA; lines that start with `;` are remarks. Letters other than H and P are refused.
pub fn parse(text: &str) -> Result<Vec<Sequence>, String> {
    let mut sequences: Vec<Sequence> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        let wrong = |error: String| format!("line {}: {error}", at + 1);
        if line.is_empty() || line.starts_with(';') {
            continue;
        }
        if let Some(heading) = line.strip_prefix('>') {
            let sequence = Sequence::heading(heading).map_err(wrong)?;
            if sequences.iter().any(|one| one.name == sequence.name) {
                return Err(wrong(format!("there are two sequences {}", sequence.name)));
            }
            sequences.push(sequence);
            continue;
        }
        let current = sequences.last_mut().ok_or_else(|| wrong("letters before any line `>NAME`".to_owned()))?;
        for letter in line.chars() {
            match letter.to_ascii_uppercase() {
                letter @ ('H' | 'P') => current.letters.push(letter),
                other => return Err(wrong(format!("`{other}` is neither H nor P"))),
            }
        }
    }
    if sequences.is_empty() || sequences.len() > SEQUENCES_MAX {
        return Err(format!("it has {} sequences, and 1 to {SEQUENCES_MAX} can be folded", sequences.len()));
    }
    match sequences.iter().find(|one| !(3..=LENGTH_MAX).contains(&one.letters.len())) {
        Some(one) => Err(format!("{} has {} residues, not 3 to {LENGTH_MAX}", one.name, one.letters.len())),
        None => Ok(sequences),
    }
}
