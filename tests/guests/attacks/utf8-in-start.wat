;; Fails to start, with an error whose text is not UTF-8.
(data (i32.const 2048) "\c0\af")
(func (export "start")
  (i32.store (i32.const 128) (i32.const 1))
  (i32.store (i32.const 132) (i32.const 2048))
  (i32.store (i32.const 136) (i32.const 2))
  (i32.const 128))
