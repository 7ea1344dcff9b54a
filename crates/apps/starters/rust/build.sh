#!/bin/sh
# Compiles main.rs to NAME.wasm, with a rustc that has the standard library for WASI. GOLEM_WASM_RUSTC names one.
set -eu
cd "$(dirname "$0")"
for compiler in "${GOLEM_WASM_RUSTC:-}" rustc "$HOME/.cargo/bin/rustc" /usr/bin/rustc; do
  [ -n "$compiler" ] && command -v "$compiler" >/dev/null 2>&1 || continue
  libraries="$("$compiler" --print sysroot 2>/dev/null)/lib/rustlib"
  for target in wasm32-wasip1 wasm32-wasi; do
    [ -d "$libraries/$target/lib" ] || continue
    "$compiler" --edition 2021 --target "$target" --crate-name NAME_ -C opt-level=3 -C lto=fat -C codegen-units=1 \
      -C panic=abort -C strip=symbols -C linker=rust-lld -C target-feature=+simd128,+bulk-memory main.rs -o NAME.wasm
    echo "NAME.wasm: $(wc -c <NAME.wasm) bytes, by $("$compiler" --version) for $target" >&2
    exit 0
  done
done
echo "no rustc here can compile for WASI. With rustup: rustup target add wasm32-wasip1." >&2
echo "On Debian or Ubuntu: apt-get install rustc libstd-rust-dev-wasm32 lld" >&2
exit 2
