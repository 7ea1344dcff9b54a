//! Libraries of ITK's WebAssembly interface: two functions of theirs start them where a program has `_start`.

use super::{Conversion, Fate, PREVIEW_1};
use anyhow::bail;
use wasm_encoder::Function;

/// A library for preview 1.
pub const LIBRARY: Conversion = Conversion {
    import: |import, _| {
        if import.module != PREVIEW_1 {
            bail!("it imports `{}` from `{}`", import.name, import.module);
        }
        Ok(Fate::Kept)
    },
    besides: &[],
    start: Some(|places| {
        let mut start = Function::new([]);
        let mut code = start.instructions();
        code.call(places.export("_initialize")?).call(places.export("itk_wasm_delayed_start")?);
        // Writes what is still in buffers, and ends with the code that the other one gave.
        code.call(places.export("itk_wasm_delayed_exit")?).end();
        Ok(start)
    }),
};
