;; Publishes to a subject that is not UTF-8.
(data (i32.const 2048) "attack.\ff\fe")
(func (export "on-message")
  (drop (call $publish (i32.const 2048) (i32.const 9) (i32.const 0) (i32.const 0)))
  (i32.const 0))
