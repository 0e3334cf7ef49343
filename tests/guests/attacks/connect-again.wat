;; At a message, connects 10,000 times to where it is connected: tells how many of
;; them were other connections.
(func (export "on-message") (local $left i32) (local $own i32) (local $others i64)
  (local.set $left (i32.const 10000))
  (local.set $own (global.get $client))
  (loop $again
    (call $connect)
    (if (i32.ne (global.get $client) (local.get $own))
      (then (local.set $others (i64.add (local.get $others) (i64.const 1)))))
    (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
  (call $tell (local.get $others) (i32.const 0))
  (i32.const 0))
