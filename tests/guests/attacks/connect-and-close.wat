;; At a message, opens a connection and closes it at once, again and again: tells how
;; often it could, and the last error.
(global $own (mut i32) (i32.const 0))

(func (export "on-message") (local $left i32) (local $done i64) (local $why i32)
  (local.set $left (i32.const 300))
  (global.set $own (global.get $client))
  (i64.store (i32.const 2048) (i64.const 0x4141414141414141))
  (loop $again
    (call $client.connect
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 2048) (i32.const 8)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 16))
    (if (call $outcome)
      (then (local.set $why (call $outcome)))
      (else
        (local.set $done (i64.add (local.get $done) (i64.const 1)))
        (call $client.close (i32.load (i32.const 24)))))
    (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
  (call $tell (local.get $done) (local.get $why))
  (i32.const 0))
