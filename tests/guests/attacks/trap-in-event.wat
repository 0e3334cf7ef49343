;; Traps at its first event, which tells that it is connected.
(func (export "on-event") unreachable)
