;; Says that more was written to its outbox than has room there.
(import "simple-nats:client/packed-outbox@0.1.0" "expose" (func $expose (param i32 i32)))

(func (export "on-message")
  (i32.store (i32.const 2052) (i32.const 65))
  (call $expose (i32.const 2048) (i32.const 72))
  (i32.const 0))
