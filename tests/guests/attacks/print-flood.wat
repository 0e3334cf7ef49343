;; At a message, prints lines without end.
(import "wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32)))
(import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
  (func $write (param i32 i32 i32 i32)))
(data (i32.const 2048) "all work and no play makes a dull log\n")

(func (export "on-message") (local $out i32)
  (local.set $out (call $stdout))
  (loop $again
    (call $write (local.get $out) (i32.const 2048) (i32.const 38) (i32.const 16))
    (br $again))
  unreachable)
