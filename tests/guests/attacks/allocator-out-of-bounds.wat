;; Gives the host room that is not in its memory.
(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const -16))
