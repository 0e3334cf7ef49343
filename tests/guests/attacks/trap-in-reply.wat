;; At a message, sends a request that nobody hears, and traps at the answer.
(func (export "on-message")
  (call $requester.request (global.get $client) (i32.const 1040) (i32.const 4)
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
    (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 16))
  (i32.const 0))

(func (export "on-reply") unreachable)
