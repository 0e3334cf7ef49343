;; Traps in `start`.
(func (export "start") unreachable)
