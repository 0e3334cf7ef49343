;; At a message, opens its standard output without end and drops none.
(import "wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32)))

(func (export "on-message")
  (loop $again
    (drop (call $stdout))
    (br $again))
  unreachable)
