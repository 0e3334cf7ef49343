;; At `go`, tries to subscribe 50,000 times: tells how often it could, and why
;; not more often.
(func (export "on-message") (local $left i32) (local $done i64) (local $why i32)
  (if (i32.eqz (local.get $payload-length)) (then (return (i32.const 0))))
  (local.set $left (i32.const 50000))
  (loop $again
    (if (call $subscribe (i32.const 1040) (i32.const 10))
      (then (local.set $why (call $outcome)))
      (else (local.set $done (i64.add (local.get $done) (i64.const 1)))))
    (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
  (call $tell (local.get $done) (local.get $why))
  (i32.const 0))
