;; Publishes with 2^28 headers, far more than it has memory for.
(func (export "on-message")
  (call $publisher.publish-with (global.get $client) (i32.const 1040) (i32.const 10)
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 2048) (i32.const 0x10000000)
    (i32.const 0) (i32.const 0) (i32.const 16))
  (i32.const 0))
