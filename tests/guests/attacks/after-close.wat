;; At a message, closes its connection and goes on using it. Tells, on another
;; connection, what it got from `publish`, `subscribe`, `request` and `flush`.
(global $closed (mut i32) (i32.const 0))
(data (i32.const 2048) "attack-again")

(func (export "on-message") (local $why i32)
  (global.set $closed (global.get $client))
  (call $client.close (global.get $closed))
  (call $client.close (global.get $closed))
  ;; Under another name, so it is another connection.
  (call $client.connect
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 2048) (i32.const 12)
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 16))
  (if (call $outcome) (then unreachable))
  (local.set $why (i32.load (i32.const 24)))
  (drop (call $publish (i32.const 1040) (i32.const 10) (i32.const 0) (i32.const 0)))
  (call $tell-on (local.get $why))
  (drop (call $subscribe (i32.const 1040) (i32.const 10)))
  (call $tell-on (local.get $why))
  (call $requester.request-and-wait (global.get $client) (i32.const 1040) (i32.const 10)
    (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 1000) (i32.const 0) (i32.const 0)
    (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 16))
  (call $tell-on (local.get $why))
  (call $client.flush (global.get $client) (i32.const 1000) (i32.const 16))
  (call $tell-on (local.get $why))
  (i32.const 0))

(func $tell-on (param $client i32) (local $why i32)
  (local.set $why (call $outcome))
  (global.set $client (local.get $client))
  (call $tell (i64.const 0) (local.get $why))
  (global.set $client (global.get $closed)))
