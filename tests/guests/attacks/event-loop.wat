;; Publishes twice where the server does not permit it, at a message and at each
;; event: so each refusal makes two.
(data (i32.const 2048) "denied")

(func $twice
  (drop (call $publish (i32.const 2048) (i32.const 6) (i32.const 0) (i32.const 0)))
  (drop (call $publish (i32.const 2048) (i32.const 6) (i32.const 0) (i32.const 0))))

(func (export "on-message") (call $twice) (i32.const 0))
(func (export "on-event") (call $twice))
