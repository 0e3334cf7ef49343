;; At a message, sets a million timers: tells how many it could, and why not more.
(func (export "on-message") (local $left i32) (local $done i64) (local $why i32)
  (local.set $left (i32.const 1000000))
  (loop $again
    (call $timers.set-timer (i64.const 3600000) (i32.const 0) (i32.const 16))
    (if (call $outcome)
      (then (local.set $why (call $outcome)))
      (else (local.set $done (i64.add (local.get $done) (i64.const 1)))))
    (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
  (call $tell (local.get $done) (local.get $why))
  (i32.const 0))
