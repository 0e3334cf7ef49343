;; Writes a message to its outbox whose payload would be beyond it.
(import "simple-nats:client/packed-outbox@0.1.0" "expose" (func $expose (param i32 i32)))

(func (export "on-message")
  (i32.store (i32.const 2052) (i32.const 64))
  (i32.store (i32.const 2056) (local.get $client))
  (i32.store (i32.const 2060) (i32.const 4))
  (i32.store (i32.const 2064) (i32.const 0x7fffffff))
  (call $expose (i32.const 2048) (i32.const 72))
  (i32.const 0))
