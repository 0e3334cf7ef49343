//! Puts sections into components that no compiler puts there.

use anyhow::{Result, ensure};

/// Kinds of sections in a component.
pub(crate) const CUSTOM: u8 = 0;
pub(crate) const CORE_MODULE: u8 = 1;
pub(crate) const CORE_INSTANCES: u8 = 2;
pub(crate) const TYPES: u8 = 7;
pub(crate) const EXPORTS: u8 = 11;

/// The begin of a core module.
pub(crate) const MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// Puts a section behind those that there are.
pub(crate) fn append(component: &mut Vec<u8>, kind: u8, content: &[u8]) {
    component.push(kind);
    leb128(component, content.len());
    component.extend_from_slice(content);
}

/// A number as WebAssembly writes it.
pub(crate) fn leb128(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// How many core modules a component has, which is what the next one is called by.
pub(crate) fn core_modules(component: &[u8]) -> Result<usize> {
    let (mut rest, mut count) = (&component[8..], 0);
    while let Some((kind, tail)) = rest.split_first() {
        let (mut size, mut shift, mut bytes) = (0, 0, tail.iter());
        for byte in bytes.by_ref() {
            size |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        ensure!(bytes.as_slice().len() >= size, "a section of {size} bytes is cut off");
        count += usize::from(*kind == CORE_MODULE);
        rest = &bytes.as_slice()[size..];
    }
    Ok(count)
}
