//! A blocking socket and no client at all.

use std::net::SocketAddr;

use anyhow::Result;

use super::{OUTPUT, SUBJECTS};
use crate::wire::{self, Sender};

/// Ready-made messages are written in blocks of about this size.
const BLOCK_BYTES: usize = 64 * 1024;

pub(super) fn serve(server: SocketAddr, name: &str) -> Result<()> {
    let (mut receiver, mut sender) = wire::connect(server, name)?;
    for (sid, subject) in SUBJECTS.iter().enumerate() {
        sender.queue(format!("SUB {subject} {sid}\r\n").as_bytes());
    }
    let (mut count, mut bytes) = (0, 0);
    loop {
        let message = receiver.next(&mut sender)?;
        match (message.sid, message.reply_to) {
            (b"0", reply_to) => {
                count += 1;
                bytes += message.payload.len();
                if let Some(reply_to) = reply_to {
                    sender.publish(reply_to, format!("{count} {bytes}").as_bytes());
                }
            }
            (b"1", Some(reply_to)) => sender.publish(reply_to, message.payload),
            (b"2", Some(reply_to)) => {
                let (count, size): (usize, usize) = serde_json::from_slice(message.payload)?;
                publish(&mut sender, count, size)?;
                sender.publish(reply_to, b"");
            }
            _ => {}
        }
    }
}

fn publish(sender: &mut Sender, count: usize, size: usize) -> Result<()> {
    let message = wire::encode(OUTPUT, None, &vec![b'x'; size]);
    let per_block = (BLOCK_BYTES / message.len()).clamp(1, count.max(1));
    let block = message.repeat(per_block);
    sender.flush()?;
    for _ in 0..count / per_block {
        sender.write(&block)?;
    }
    sender.write(&message.repeat(count % per_block))
}
