;; Subscribes, and then waits for ever in `start`, so that messages queue up.
(func (export "start")
  (call $listen)
  (call $requester.request-and-wait (global.get $client) (i32.const 1024) (i32.const 9)
    (i32.const 0) (i32.const 0) (i32.const 1) (i32.const -1) (i32.const 0) (i32.const 0)
    (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 16))
  (i32.const 0))
