;; Fails to start, with an error that would clear a terminal and forge a line.
(data (i32.const 2048) "\1b[2J\1b]0;owned\07gone\r\nerror: forged")
(func (export "start")
  (i32.store (i32.const 128) (i32.const 1))
  (i32.store (i32.const 132) (i32.const 2048))
  (i32.store (i32.const 136) (i32.const 33))
  (i32.const 128))
