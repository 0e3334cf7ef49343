;; At a message, asks for 4 GiB of random bytes.
(import "wasi:random/random@0.2.0" "get-random-bytes" (func $random (param i64 i32)))

(func (export "on-message")
  (call $random (i64.const 4294967295) (i32.const 16))
  (i32.const 0))
