;; Wants the outcome of a publish where it has no memory.
(func (export "on-message")
  (call $publisher.publish (global.get $client) (i32.const 1040) (i32.const 10)
    (i32.const 0) (i32.const 0) (i32.const -8))
  (i32.const 0))
