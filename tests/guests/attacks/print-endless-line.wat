;; At a message, prints a line that never ends, four kilobytes at a time.
(import "wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32)))
(import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
  (func $write (param i32 i32 i32 i32)))

(func (export "on-message") (local $out i32)
  (memory.fill (i32.const 4096) (i32.const 0x41) (i32.const 4096))
  (local.set $out (call $stdout))
  (loop $again
    (call $write (local.get $out) (i32.const 4096) (i32.const 4096) (i32.const 16))
    (br $again))
  unreachable)
