//! Plots as PNG, with a font of their own, so that they look the same on every machine.

use anyhow::Context as _;
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::fontdb::Database;
use resvg::usvg::{Options, Tree};
use std::sync::Arc;

/// How many pixels a unit of a plot is. Reason: sharp on paper and on screens of this time.
const SCALE: f32 = 2.0;
/// Latin letters, figures and signs of DejaVu Sans.
const FONT: &[u8] = include_bytes!("../../fonts/DejaVuSans-latin.ttf");

/// What draws plots.
pub struct Painter(Options<'static>);

impl Painter {
    /// With the font that comes with it, and no other.
    pub fn new() -> Painter {
        let mut fonts = Database::new();
        fonts.load_font_data(FONT.to_vec());
        Painter(Options { fontdb: Arc::new(fonts), font_family: "DejaVu Sans".into(), ..Options::default() })
    }

    /// An SVG as a PNG.
    pub fn png(&self, svg: &str) -> anyhow::Result<Vec<u8>> {
        let tree = Tree::from_str(svg, &self.0).context("a plot cannot be read")?;
        let size = tree.size().to_int_size().scale_by(SCALE).context("a plot has no size")?;
        let mut canvas = Pixmap::new(size.width(), size.height()).context("a plot is too large")?;
        resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut canvas.as_mut());
        canvas.encode_png().context("a plot cannot be written as PNG")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_letters_without_any_font_of_the_system() {
        let text = |word: &str| {
            format!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 60 20\"><text x=\"2\" y=\"15\" \
                 font-family=\"DejaVu Sans\">{word}</text></svg>"
            )
        };
        let painter = Painter::new();
        let (empty, word) = (painter.png(&text("")).unwrap(), painter.png(&text("± 5 µs")).unwrap());
        assert!(word.len() > empty.len() + 100, "{} and {} bytes", empty.len(), word.len());
        assert_eq!(painter.png(&text("± 5 µs")).unwrap(), word);
    }
}
