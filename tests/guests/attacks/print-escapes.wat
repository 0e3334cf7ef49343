;; At a message, prints what would clear a terminal, forge a line, and is not UTF-8.
(import "wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32)))
(import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
  (func $write (param i32 i32 i32 i32)))
(data (i32.const 2048) "\1b[2J\1b]0;owned\07 \9b31m \c2\9b31m \e2\80\ae\r\00 \ff end\n")

(func (export "on-message")
  (call $write (call $stdout) (i32.const 2048) (i32.const 38) (i32.const 16))
  (i32.const 0))
