#!/bin/sh
# Compiles main.c to NAME.wasm, with zig, or a clang that has a C library for WASI. GOLEM_WASM_CC names a compiler.
set -eu
cd "$(dirname "$0")"
# Each is tried on the smallest program there is, with the flags of the real one: zig makes its C library once for each.
flags="-O2 -Wall"
try() {
  command -v "$1" >/dev/null || return 0
  echo "trying $*: the first time this may take a minute" >&2
  printf 'int main(void) { return 0; }\n' | "$@" $flags -x c - -o .probe.wasm >/dev/null 2>&1 || return 0
  rm -f .probe.wasm
  "$@" $flags -Wl,--strip-all main.c -o NAME.wasm || exit 1
  echo "NAME.wasm: $(wc -c <NAME.wasm) bytes, by $*" >&2
  exit 0
}
if [ -n "${GOLEM_WASM_CC:-}" ]; then
  try $GOLEM_WASM_CC --target=wasm32-wasi
  echo "GOLEM_WASM_CC is \`$GOLEM_WASM_CC\`, which cannot compile C for WASI" >&2
  exit 2
fi
try zig cc -target wasm32-wasi
try python3 -m ziglang cc -target wasm32-wasi
try clang --target=wasm32-wasi
echo "no compiler here can compile C for WASI. With pip: pip install ziglang." >&2
echo "On Debian or Ubuntu: apt-get install clang lld wasi-libc libclang-rt-14-dev-wasm32" >&2
exit 2
