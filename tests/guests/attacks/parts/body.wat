;; What attackers have in common. The first 16 bytes of memory stay zero: a
;; result that is "ok". Behind them, host functions put theirs.

(global $client (mut i32) (i32.const 0))

(data (i32.const 1024) "attack.in")
(data (i32.const 1040) "attack.out")

;; The number of a result's error, counted from 1; 0 for none.
(func $outcome (result i32)
  (if (i32.eqz (i32.load8_u (i32.const 16))) (then (return (i32.const 0))))
  (i32.add (i32.const 1) (i32.load8_u (i32.const 24))))

(func $connect
  (call $client.connect
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 16))
  (if (call $outcome) (then unreachable))
  (global.set $client (i32.load (i32.const 24))))

;; The sid, if there is one, is at 24.
(func $subscribe (param $subject i32) (param $length i32) (result i32)
  (call $subscriber.subscribe (global.get $client) (local.get $subject) (local.get $length)
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 16))
  (call $outcome))

;; Connects and subscribes to attack.in.
(func $listen
  (call $connect)
  (if (call $subscribe (i32.const 1024) (i32.const 9)) (then unreachable)))

(func $publish
  (param $subject i32) (param $subject-length i32) (param $payload i32) (param $length i32)
  (result i32)
  (call $publisher.publish (global.get $client)
    (local.get $subject) (local.get $subject-length) (local.get $payload) (local.get $length)
    (i32.const 16))
  (call $outcome))

;; Tells a number and an outcome on attack.out.
(func $tell (param $number i64) (param $outcome i32)
  (i64.store (i32.const 1088) (local.get $number))
  (i32.store (i32.const 1096) (local.get $outcome))
  (drop (call $publish (i32.const 1040) (i32.const 10) (i32.const 1088) (i32.const 12))))
