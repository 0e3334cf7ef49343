;; At a message, takes those that follow, and counts them to and fro for ever: as if it
;; began one after the other.
(import "simple-nats:client/packed-inbox@0.1.0" "expose-position"
  (func $expose (param i32 i32)))
(import "simple-nats:client/packed-inbox@0.1.0" "take-messages"
  (func $take (param i32 i32)))

(func (export "on-message") (local $count i32)
  (call $expose (i32.const 2048) (i32.const 4))
  ;; Until there are some: then their place, which follows the case, is not 0.
  (loop $none
    (call $take (i32.const 16) (i32.const 2064))
    (br_if $none (i32.eqz (i32.load (i32.const 2068)))))
  ;; A tick comes between two rounds, so each round has one count.
  (loop $again
    (local.set $count (i32.sub (i32.const 1) (local.get $count)))
    (i32.store (i32.const 2048) (local.get $count))
    (br $again))
  unreachable)
