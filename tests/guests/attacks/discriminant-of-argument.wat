;; Subscribes with an option that is neither none nor some.
(func (export "on-message")
  (call $subscriber.subscribe (global.get $client) (i32.const 1040) (i32.const 10)
    (i32.const 7) (i32.const 0) (i32.const 0) (i32.const 16))
  (i32.const 0))
