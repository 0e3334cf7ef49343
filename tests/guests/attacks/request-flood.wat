;; At `go`, sends 200,000 requests to itself, and does not wait: tells how many it
;; could, and why not more.
(func (export "on-message") (local $left i32) (local $done i64) (local $why i32)
  (if (i32.eqz (local.get $payload-length)) (then (return (i32.const 0))))
  (local.set $left (i32.const 200000))
  (loop $again
    (call $requester.request (global.get $client) (i32.const 1024) (i32.const 9)
      (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 60000) (i32.const 0) (i32.const 0)
      (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 16))
    (if (call $outcome)
      (then (local.set $why (call $outcome)))
      (else (local.set $done (i64.add (local.get $done) (i64.const 1)))))
    (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
  (call $tell (local.get $done) (local.get $why))
  (i32.const 0))
