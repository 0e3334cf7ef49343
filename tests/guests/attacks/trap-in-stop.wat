;; Traps in `stop`.
(func (export "stop") unreachable)
