;; Sleeps for a year in a callback, in a function of WASI.
(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $after (param i64) (result i32)))
(import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))

(func (export "on-message")
  (call $block (call $after (i64.const 31536000000000000)))
  (i32.const 0))
