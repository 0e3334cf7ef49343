//! Native stacks for guests, cut from larger mappings.
//!
//! A stack that is mapped by itself, and a page below it that is then protected, are two
//! changes of the process's address space for each instance, and threads that start
//! instances wait for each other to make them. A guard that is a mark on the page alone
//! (`MADV_GUARD_INSTALL` of Linux 6.13) changes nothing of it, so that many stacks can
//! lie in one mapping.
#![expect(unsafe_code, reason = "memory that nothing else may use can't be mapped otherwise")]

use std::io;
use std::ops::Range;
use std::sync::Arc;

use parking_lot::Mutex;
use wasmtime::{StackCreator, StackMemory};

/// What is mapped at once, if it is enough for a stack. What nobody uses of it takes no
/// memory.
const SLAB_BYTES: usize = 16 << 20;

/// Which the `libc` crate does not have yet; see `madvise(2)`.
const MADV_GUARD_INSTALL: libc::c_int = 102;

/// What makes stacks, if the kernel has such guards; else wasmtime has to make them.
pub(super) fn creator() -> Option<Arc<dyn StackCreator>> {
    // SAFETY: asks for a number.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()?;
    Mapping::new(page).and_then(|page| page.guard(page.len)).ok()?;
    Some(Arc::new(Stacks { page, slab: Mutex::new(Mapping::NONE) }))
}

struct Stacks {
    page: usize,
    /// What is left of the last mapping.
    slab: Mutex<Mapping>,
}

// SAFETY: what is mapped is of whole pages, zero, and nobody else's until it is dropped;
// the lowest page traps.
unsafe impl StackCreator for Stacks {
    fn new_stack(&self, size: usize, _zeroed: bool) -> wasmtime::Result<Box<dyn StackMemory>> {
        let size = size
            .checked_next_multiple_of(self.page)
            .and_then(|size| size.checked_add(self.page))
            .ok_or_else(|| wasmtime::format_err!("a stack of {size} bytes is too large"))?;
        let mut slab = self.slab.lock();
        if slab.len < size {
            let many = (SLAB_BYTES / size).max(1) * size;
            *slab = Mapping::new(many).or_else(|_| Mapping::new(size))?;
        }
        let mapping = slab.cut(size);
        drop(slab);
        mapping.guard(self.page)?;
        Ok(Box::new(Stack { mapping, guard: self.page }))
    }
}

struct Stack {
    mapping: Mapping,
    /// How much of it, from its lowest address on, traps.
    guard: usize,
}

// SAFETY: as above.
unsafe impl StackMemory for Stack {
    fn top(&self) -> *mut u8 {
        self.mapping.at(self.mapping.len)
    }

    fn range(&self) -> Range<usize> {
        let Range { end, .. } = self.guard_range();
        end.addr()..self.top().addr()
    }

    fn guard_range(&self) -> Range<*mut u8> {
        self.mapping.at(0)..self.mapping.at(self.guard)
    }
}

/// Memory of its own, which ends when this is dropped.
struct Mapping {
    start: *mut u8,
    len: usize,
}

// SAFETY: it is nobody else's, and no thread's in particular.
unsafe impl Send for Mapping {}
// SAFETY: nothing of it is read or written through this.
unsafe impl Sync for Mapping {}

impl Mapping {
    const NONE: Self = Self { start: std::ptr::null_mut(), len: 0 };

    /// So many bytes, which are zero: whole pages.
    fn new(len: usize) -> io::Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: takes addresses that are free.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), len, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // With huge pages, the first use of a stack could take the memory of two. Kernels
        // that have none refuse, which is as well.
        // SAFETY: changes only what was mapped here.
        unsafe { libc::madvise(start, len, libc::MADV_NOHUGEPAGE) };
        Ok(Self { start: start.cast(), len })
    }

    /// Takes this much off its beginning, or as much as there is.
    fn cut(&mut self, len: usize) -> Self {
        let len = len.min(self.len);
        let start = self.start;
        self.start = self.at(len);
        self.len -= len;
        Self { start, len }
    }

    /// Makes that much of its beginning trap.
    fn guard(&self, len: usize) -> io::Result<()> {
        // SAFETY: changes only what is mapped here.
        match unsafe { libc::madvise(self.start.cast(), len.min(self.len), MADV_GUARD_INSTALL) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// The address so many bytes from its beginning, or its end.
    fn at(&self, offset: usize) -> *mut u8 {
        self.start.wrapping_add(offset.min(self.len))
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if self.len > 0 {
            // SAFETY: whoever could use it is gone. That fails only for what is no mapping.
            unsafe { libc::munmap(self.start.cast(), self.len) };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::FileExt;

    use super::*;

    const SIZE: usize = 1 << 20;

    /// Whether there is something to read at the address.
    fn is_readable(address: usize) -> bool {
        let memory = File::open("/proc/self/mem").unwrap();
        memory.read_at(&mut [0], address as u64).is_ok()
    }

    #[test]
    fn stacks_lie_apart_above_guards_and_end_when_dropped() {
        let Some(creator) = creator() else { return };
        let stacks: Vec<_> = (0..40).map(|_| creator.new_stack(SIZE, false).unwrap()).collect();
        let mut ranges: Vec<_> = stacks.iter().map(|stack| stack.range()).collect();
        for (stack, range) in stacks.iter().zip(&ranges) {
            assert_eq!(range.len(), SIZE);
            assert_eq!(stack.top().addr(), range.end);
            let guard = stack.guard_range();
            assert_eq!(guard.end.addr(), range.start);
            assert!(is_readable(range.start) && is_readable(range.end - 1));
            assert!(!is_readable(guard.start.addr()) && !is_readable(range.start - 1));
        }
        ranges.sort_by_key(|range| range.start);
        assert!(ranges.is_sorted_by(|one, next| one.end < next.start));
        drop(stacks);
        // Others in this process may have taken some of the addresses since.
        assert!(ranges.iter().any(|range| !is_readable(range.start)));
    }

    #[test]
    fn stacks_of_any_size_are_whole_pages() {
        let Some(creator) = creator() else { return };
        for size in [1, 4097, SLAB_BYTES + 1] {
            let stack = creator.new_stack(size, true).unwrap();
            let range = stack.range();
            assert!(range.len() >= size && range.len() - size < 1 << 16, "{range:?} for {size}");
            assert!(is_readable(range.start) && is_readable(range.end - 1));
        }
        assert!(creator.new_stack(usize::MAX, false).is_err());
    }
}
