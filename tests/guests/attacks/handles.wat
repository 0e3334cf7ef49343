;; At `go`, uses numbers that are not its own: of connections, subscriptions,
;; requests and timers. Tells how often a function took one, of each kind.
(import "simple-nats:client/requester@0.1.0" "cancel-request" (func $cancel-request (param i64)))
(import "simple-nats:client/timers@0.1.0" "cancel-timer" (func $cancel-timer (param i64)))
(import "simple-nats:client/client@0.1.0" "drain" (func $drain (param i32 i32)))

(global $sid (mut i64) (i64.const 0))

(func (export "start")
  (call $listen)
  (global.set $sid (i64.load (i32.const 24)))
  (i32.const 0))

(func $clients (result i64) (local $id i32) (local $own i32) (local $taken i64)
  (local.set $own (global.get $client))
  (loop $again
    (if (i32.ne (local.get $id) (local.get $own)) (then
      (global.set $client (local.get $id))
      (if (i32.eqz (call $publish (i32.const 1040) (i32.const 10) (i32.const 0) (i32.const 0)))
        (then (local.set $taken (i64.add (local.get $taken) (i64.const 1)))))
      (if (i32.eqz (call $subscribe (i32.const 1040) (i32.const 10)))
        (then (local.set $taken (i64.add (local.get $taken) (i64.const 1)))))
      (call $drain (local.get $id) (i32.const 16))
      (if (i32.eqz (call $outcome))
        (then (local.set $taken (i64.add (local.get $taken) (i64.const 1)))))
      (call $client.close (local.get $id))))
    (local.set $id (i32.add (local.get $id) (i32.const 1)))
    (br_if $again (i32.lt_u (local.get $id) (i32.const 50000))))
  (global.set $client (local.get $own))
  (local.get $taken))

(func $subscriptions (result i64) (local $sid i64) (local $taken i64)
  (loop $again
    (if (i64.ne (local.get $sid) (global.get $sid)) (then
      (call $subscriber.unsubscribe (local.get $sid) (i32.const 0) (i64.const 0) (i32.const 16))
      (if (i32.eqz (call $outcome))
        (then (local.set $taken (i64.add (local.get $taken) (i64.const 1)))))))
    (call $cancel-request (local.get $sid))
    (call $cancel-timer (local.get $sid))
    (local.set $sid (i64.add (local.get $sid) (i64.const 1)))
    (br_if $again (i64.lt_u (local.get $sid) (i64.const 50000))))
  (local.get $taken))

(func (export "on-message")
  (call $tell (call $clients) (i32.const 0))
  (call $tell (call $subscriptions) (i32.const 0))
  (i32.const 0))
