;; Never comes back from a timer.
(func (export "start")
  (call $listen)
  (call $timers.set-timer (i64.const 1) (i32.const 0) (i32.const 16))
  (i32.const 0))

(func (export "on-timer")
  (loop $again (br $again)))
