;; Traps in a function whose name would clear a terminal and forge a line.
(func $"\1b[2J\nerror: forged\07" unreachable)

(func (export "on-message")
  (call $"\1b[2J\nerror: forged\07")
  (i32.const 0))
