;; A plugin of a version of the contract that is not known yet.
(module
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0))
  (func (export "simple-nats:client/lifecycle@0.2.0#start"))
  (func (export "simple-nats:client/handler@0.2.0#on-message") (param i32 i32)))
