;; At a message, connects under one name after the other: tells how often it could,
;; and why not more often.
(func (export "on-message")
  (local $left i32) (local $own i32) (local $done i64) (local $why i32)
  (local.set $left (i32.const 1000))
  (local.set $own (global.get $client))
  (i64.store (i32.const 2048) (i64.const 0x4141414141414141))
  (loop $again
    (call $name (local.get $left))
    (call $client.connect
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 2048) (i32.const 8)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 16))
    (if (call $outcome)
      (then (local.set $why (call $outcome)))
      (else (local.set $done (i64.add (local.get $done) (i64.const 1)))))
    (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
  (call $tell (local.get $done) (local.get $why))
  (i32.const 0))

;; Four letters that stand for a number.
(func $name (param $number i32)
  (i32.store (i32.const 2048)
    (i32.add (i32.const 0x41414141)
      (i32.or (i32.and (local.get $number) (i32.const 0xf))
        (i32.or (i32.and (i32.shl (local.get $number) (i32.const 4)) (i32.const 0xf00))
          (i32.and (i32.shl (local.get $number) (i32.const 8)) (i32.const 0xf0000)))))))
