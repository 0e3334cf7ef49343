;; Fails to start, with an error whose text has 8 million letters, as
;; many as one call may pass to the host.
(func (export "start")
  (if (i32.eq (memory.grow (i32.const 200)) (i32.const -1)) (then unreachable))
  (memory.fill (i32.const 131072) (i32.const 0x41) (i32.const 8000000))
  (i32.store (i32.const 128) (i32.const 1))
  (i32.store (i32.const 132) (i32.const 131072))
  (i32.store (i32.const 136) (i32.const 8000000))
  (i32.const 128))
