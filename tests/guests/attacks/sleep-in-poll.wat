;; Polls for ever: one pollable that is ready in 500 years.
(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $after (param i64) (result i32)))
(import "wasi:io/poll@0.2.0" "poll" (func $poll (param i32 i32 i32)))

(func (export "on-message")
  (i32.store (i32.const 128) (call $after (i64.const -1)))
  (call $poll (i32.const 128) (i32.const 1) (i32.const 64))
  (i32.const 0))
