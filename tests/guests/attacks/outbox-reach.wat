;; Writes to its outbox what it may not publish, then what it may: to admin.stop, to
;; "admin.*", on a connection that is not there, and the number 5 to attack.out.
(import "simple-nats:client/packed-outbox@0.1.0" "expose" (func $expose (param i32 i32)))

(global $at (mut i32) (i32.const 0))
(data (i32.const 3072) "admin.stop")
(data (i32.const 3088) "admin.*")

(func $write (param $client i32) (param $subject i32) (param $subject-length i32)
  (i32.store (global.get $at) (local.get $client))
  (i32.store offset=4 (global.get $at) (local.get $subject-length))
  (i32.store offset=8 (global.get $at) (i32.const 12))
  (memory.copy (i32.add (global.get $at) (i32.const 12))
    (local.get $subject) (local.get $subject-length))
  (global.set $at
    (i32.add (global.get $at) (i32.add (i32.const 12) (local.get $subject-length))))
  (i64.store (global.get $at) (i64.const 5))
  (i32.store offset=8 (global.get $at) (i32.const 0))
  (global.set $at (i32.add (global.get $at) (i32.const 12))))

(func (export "on-message")
  (global.set $at (i32.const 2056))
  (call $write (local.get $client) (i32.const 3072) (i32.const 10))
  (call $write (local.get $client) (i32.const 3088) (i32.const 7))
  (call $write (i32.const 77) (i32.const 1040) (i32.const 10))
  (call $write (local.get $client) (i32.const 1040) (i32.const 10))
  (i32.store (i32.const 2052) (i32.sub (global.get $at) (i32.const 2056)))
  (i32.store (i32.const 2048) (i32.add (i32.load (i32.const 2048)) (i32.const 1)))
  (call $expose (i32.const 2048) (i32.const 1024))
  (i32.const 0))
