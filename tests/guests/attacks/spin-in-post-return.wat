;; Never comes back from the clean-up after `on-message`.
(func (export "cabi_post_simple-nats:client/handler@0.1.0#on-message") (param i32)
  (loop $again (br $again)))
