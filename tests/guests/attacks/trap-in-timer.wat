;; At a message, sets a timer, and traps when it comes.
(func (export "on-message")
  (call $timers.set-timer (i64.const 1) (i32.const 0) (i32.const 16))
  (i32.const 0))

(func (export "on-timer") unreachable)
