;; Answers a message with an error whose text is not UTF-8.
(data (i32.const 2048) "\ed\a0\80 half a character")
(func (export "on-message")
  (i32.store (i32.const 128) (i32.const 1))
  (i32.store (i32.const 132) (i32.const 2048))
  (i32.store (i32.const 136) (i32.const 20))
  (i32.const 128))
