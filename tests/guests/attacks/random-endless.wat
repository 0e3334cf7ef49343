;; At a message, asks for 2^64 random bytes, of the kind that is cheap.
(import "wasi:random/insecure@0.2.0" "get-insecure-random-bytes" (func $random (param i64 i32)))

(func (export "on-message")
  (call $random (i64.const -1) (i32.const 16))
  (i32.const 0))
