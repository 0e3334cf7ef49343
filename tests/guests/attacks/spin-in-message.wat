;; Never comes back from a message.
(func (export "on-message")
  (loop $again (br $again))
  unreachable)
