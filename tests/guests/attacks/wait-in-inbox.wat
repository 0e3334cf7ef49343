;; Waits in a callback for the next delivery, without end, though it is called with them.
(import "simple-nats:client/inbox@0.1.0" "next" (func $next
  (param i32 i32 i32) (param i32 i32) (param i32)))

(func (export "on-message")
  (call $next (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 128))
  (i32.const 0))
