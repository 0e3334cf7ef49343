//! Eight bytes at a time.

const LOW: u64 = u64::MAX / 0xff;
const HIGH: u64 = LOW << 7;

/// Eight bytes as a number whose lowest byte is the first of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word(u64);

impl Word {
    #[inline]
    pub(super) fn new(bytes: [u8; 8]) -> Self {
        Self(u64::from_le_bytes(bytes))
    }

    /// The high bit of each byte that is this one.
    #[inline]
    pub(super) fn equal(self, byte: u8) -> u64 {
        Self(self.0 ^ (LOW * u64::from(byte))).below(1)
    }

    /// The high bit of each byte that is below this one, which is 0x80 at the most.
    #[inline]
    pub(super) fn below(self, byte: u8) -> u64 {
        let reach = LOW * u64::from(0x80_u8.saturating_sub(byte));
        !(((self.0 & !HIGH) + reach) | self.0) & HIGH
    }

    /// Not zero if any byte is this one. Costs less than to know which.
    #[inline]
    pub(super) fn any_equal(self, byte: u8) -> u64 {
        Self(self.0 ^ (LOW * u64::from(byte))).any_below(1)
    }

    /// Not zero if any byte is below this one, which is 0x80 at the most.
    #[inline]
    pub(super) fn any_below(self, byte: u8) -> u64 {
        self.0.wrapping_sub(LOW * u64::from(byte)) & !self.0 & HIGH
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn says_of_each_byte_what_a_look_at_it_says(
            bytes in prop::array::uniform8(prop_oneof![Just(b'.'), any::<u8>()]),
            byte in prop_oneof![Just(b'.'), 0..=0x80_u8],
        ) {
            let word = Word::new(bytes);
            let high = |is: &dyn Fn(u8) -> bool| {
                let each = |place: usize| u64::from(is(bytes[place])) << (8 * place + 7);
                (0..8).map(each).sum::<u64>()
            };
            prop_assert_eq!(word.equal(byte), high(&|one| one == byte));
            prop_assert_eq!(word.below(byte), high(&|one| one < byte));
            prop_assert_eq!(word.any_equal(byte) != 0, bytes.contains(&byte));
            prop_assert_eq!(word.any_below(byte) != 0, bytes.iter().any(|one| *one < byte));
        }
    }
}
