;; Never comes back from its first event, which tells that it is connected.
(func (export "on-event")
  (loop $again (br $again)))
