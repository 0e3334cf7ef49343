;; Gives the host the same room again and again, over its own data: its own harm.
(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
(func (export "on-message")
  (call $tell (i64.const 7) (i32.const 0))
  (i32.const 0))
