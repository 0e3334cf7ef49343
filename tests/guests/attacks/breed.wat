;; Publishes each message that it gets twice, to itself.
(func (export "on-message")
  (drop (call $publish (i32.const 1024) (i32.const 9) (local.get $payload) (local.get $payload-length)))
  (drop (call $publish (i32.const 1024) (i32.const 9) (local.get $payload) (local.get $payload-length)))
  (i32.const 0))
