;; Never comes back from `start`.
(func (export "start")
  (loop $again (br $again))
  unreachable)
