;; A plugin by the names of its interfaces, and with other functions in them.
(module
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0))
  (func (export "simple-nats:client/lifecycle@0.1.0#start") (result i64) (i64.const 0))
  (func (export "simple-nats:client/lifecycle@0.1.0#stop") (param i32 i32))
  (func (export "simple-nats:client/handler@0.1.0#on-message") (param i32 i32)))
