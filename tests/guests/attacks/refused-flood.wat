;; At a message, publishes 50,000 times where the server does not permit it,
;; and so is to get as many events.
(data (i32.const 2048) "denied")

(func (export "on-message") (local $left i32)
  (local.set $left (i32.const 50000))
  (loop $again
    (drop (call $publish (i32.const 2048) (i32.const 6) (i32.const 0) (i32.const 0)))
    (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
  (call $tell (i64.const 0) (i32.const 0))
  (i32.const 0))
