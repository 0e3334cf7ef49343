;; Never comes back from `stop`.
(func (export "stop")
  (loop $again (br $again)))
