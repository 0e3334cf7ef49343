;; Never comes back from the answer to a request, which is that nobody listens.
(func (export "start")
  (call $listen)
  (call $requester.request (global.get $client) (i32.const 1040) (i32.const 10)
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
    (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 16))
  (i32.const 0))

(func (export "on-reply")
  (loop $again (br $again)))
