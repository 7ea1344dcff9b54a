#!/bin/sh
# Compiles main.c to NAME.wasm, with zig, or a clang that has a C library for WASI. GOLEM_WASM_CC names a compiler.
set -eu
cd "$(dirname "$0")"
# Each is tried on the smallest program there is.
try() {
  printf 'int main(void) { return 0; }\n' | "$@" -x c - -o .probe.wasm >/dev/null 2>&1 || return 1
  rm -f .probe.wasm
  "$@" -O2 -Wall -Wl,--strip-all main.c -o NAME.wasm
  echo "NAME.wasm: $(wc -c <NAME.wasm) bytes, by $*" >&2
  exit 0
}
[ -z "${GOLEM_WASM_CC:-}" ] || try $GOLEM_WASM_CC --target=wasm32-wasi
try zig cc -target wasm32-wasi || true
try python3 -m ziglang cc -target wasm32-wasi || true
try clang --target=wasm32-wasi || true
echo "no compiler here can compile C for WASI. With pip: pip install ziglang." >&2
echo "On Debian or Ubuntu: apt-get install clang lld wasi-libc libclang-rt-14-dev-wasm32" >&2
exit 2
