//! Brings lines to standard error on a thread of its own: whoever logs goes on,
//! also if nobody reads.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tracing_subscriber::fmt::MakeWriter;

/// What may wait to be written; lines beyond it are lost.
const MAX_BYTES: usize = 4 << 20;

/// What is written at once, in whole lines: progress shows after each.
const PIECE_BYTES: usize = 16 << 10;

/// At the end, how long nothing may be taken before the rest is given up.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where lines wait. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub(super) struct Writer(Arc<Lines>);

#[derive(Default)]
struct Lines {
    queue: Mutex<Queue>,
    /// Lines have come, or it is to end.
    came: Condvar,
    /// A piece has been written.
    left: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<u8>,
    /// Lines so far for which there was no room.
    lost: u64,
    /// Pieces so far; and whether there is another one on its way.
    pieces: u64,
    is_writing: bool,
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the operating system gives none.
    pub(super) fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let lines = Arc::<Lines>::default();
        let thread = std::thread::Builder::new().name("log".into());
        thread.spawn({
            let lines = Arc::clone(&lines);
            move || lines.write_all_to(out)
        })?;
        Ok(Self(lines))
    }

    /// Waits until everything has been written; false if nobody takes it.
    pub(super) fn settle(&self) -> bool {
        let mut queue = self.0.queue.lock();
        let (mut pieces, mut since) = (queue.pieces, Instant::now());
        while queue.is_writing || !queue.waiting.is_empty() {
            self.0.left.wait_for(&mut queue, PATIENCE);
            if queue.pieces != pieces {
                (pieces, since) = (queue.pieces, Instant::now());
            } else if since.elapsed() >= PATIENCE {
                return false;
            }
        }
        true
    }
}

impl Lines {
    fn push(&self, line: &[u8]) {
        let mut queue = self.queue.lock();
        if queue.waiting.len().saturating_add(line.len()) > MAX_BYTES {
            queue.lost += 1;
            return;
        }
        queue.waiting.extend_from_slice(line);
        self.came.notify_one();
    }

    fn write_all_to(&self, mut out: impl Write) {
        let (mut batch, mut told) = (Vec::new(), 0);
        loop {
            {
                let mut queue = self.queue.lock();
                queue.is_writing = false;
                self.left.notify_all();
                while queue.waiting.is_empty() {
                    self.came.wait(&mut queue);
                }
                batch.clear();
                std::mem::swap(&mut batch, &mut queue.waiting);
                queue.is_writing = true;
            }
            let mut rest = batch.as_slice();
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(end_of_piece(rest));
                // Of a log that can't be written, nobody can be told.
                let _ = out.write_all(piece).and_then(|()| out.flush());
                rest = after;
                self.queue.lock().pieces += 1;
                self.left.notify_all();
            }
            let lost = self.queue.lock().lost;
            if lost > told {
                // Of all so far: there may be no room for this line either.
                tracing::warn!(lines = lost, "log lines lost so far, since nobody took them");
                told = lost;
            }
        }
    }
}

/// The last end of a line in what is written at once, or else the next one.
fn end_of_piece(bytes: &[u8]) -> usize {
    let (piece, rest) = bytes.split_at(bytes.len().min(PIECE_BYTES));
    let last = memchr::memrchr(b'\n', piece);
    let next = || memchr::memchr(b'\n', rest).map(|at| piece.len() + at);
    last.or_else(next).map_or(bytes.len(), |end| end + 1)
}

impl<'a> MakeWriter<'a> for Writer {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Each call brings one line.
impl Write for Writer {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Takes what is written when it is told to.
    struct Reluctant {
        allowed: mpsc::Receiver<()>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Reluctant {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // Once nobody can tell it any more, it takes everything.
            let _ = self.allowed.recv();
            self.written.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_written_whole_and_in_order_up_to_what_may_wait() {
        let (allow, allowed) = mpsc::channel();
        let written = Arc::<Mutex<Vec<u8>>>::default();
        let out = Reluctant { allowed, written: Arc::clone(&written) };
        let mut writer = Writer::start(out).unwrap();
        let line = [vec![b'x'; 999], vec![b'\n']].concat();
        for _ in 0..2 * MAX_BYTES / line.len() {
            writer.write_all(&line).unwrap();
        }
        assert!(!writer.settle());
        let lost = writer.0.queue.lock().lost;
        assert!(lost > 0);
        drop(allow);
        assert!(writer.settle());
        let written = written.lock();
        assert_eq!(written.len() / line.len(), 2 * MAX_BYTES / line.len() - lost as usize);
        assert!(written.chunks(line.len()).all(|one| one == line));
    }

    #[test]
    fn a_piece_ends_with_a_line() {
        let long = [vec![b'x'; PIECE_BYTES], b"\nnext\n".to_vec()].concat();
        assert_eq!(end_of_piece(&long), PIECE_BYTES + 1);
        assert_eq!(end_of_piece(b"one\ntwo\nthr"), 8);
        assert_eq!(end_of_piece(b"three"), 5);
    }
}
