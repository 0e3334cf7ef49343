;; At a message, subscribes and unsubscribes 20,000 times: tells how often it could.
(func (export "on-message") (local $left i32) (local $done i64)
  (local.set $left (i32.const 20000))
  (loop $again
    (if (i32.eqz (call $subscribe (i32.const 1040) (i32.const 10))) (then
      (call $subscriber.unsubscribe (i64.load (i32.const 24)) (i32.const 0) (i64.const 0) (i32.const 16))
      (if (i32.eqz (call $outcome))
        (then (local.set $done (i64.add (local.get $done) (i64.const 1)))))))
    (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
  (call $tell (local.get $done) (i32.const 0))
  (i32.const 0))
