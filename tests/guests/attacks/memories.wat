;; Has several memories. At a message, grows one after the other and writes to each
;; page: tells how many pages they have together.
(memory (export "memory") 2)
(memory $b 1)
(memory $c 1)
(memory $d 1)

(func (export "on-message") (local $pages i32)
  (loop $again
    (local.set $pages (memory.grow $b (i32.const 16)))
    (if (i32.ne (local.get $pages) (i32.const -1)) (then
      (memory.fill $b (i32.shl (local.get $pages) (i32.const 16)) (i32.const 1) (i32.const 1048576))
      (br $again))))
  (loop $again
    (local.set $pages (memory.grow $c (i32.const 1)))
    (br_if $again (i32.ne (local.get $pages) (i32.const -1))))
  (loop $again
    (local.set $pages (memory.grow $d (i32.const 1)))
    (br_if $again (i32.ne (local.get $pages) (i32.const -1))))
  (call $tell
    (i64.extend_i32_u (i32.add (i32.add (memory.size) (memory.size $b))
      (i32.add (memory.size $c) (memory.size $d))))
    (i32.const 0))
  (i32.const 0))
