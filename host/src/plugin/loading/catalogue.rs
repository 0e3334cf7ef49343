//! The components in use, by their content: plugins of the same component share
//! its code, however many there are.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use sha2::{Digest, Sha256};

/// Stands for the bytes of a component. None can be made to be taken for another.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::plugin) struct Content([u8; 32]);

impl Content {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What is made of a component; none if nobody uses it. The lock is held while it
/// is being made.
type Slot<T> = Arc<tokio::sync::Mutex<Weak<T>>>;

/// Keeps nothing alive itself.
pub(super) struct Catalogue<T> {
    slots: Mutex<FxHashMap<Content, Slot<T>>>,
}

impl<T> Catalogue<T> {
    pub(super) fn new() -> Self {
        Self { slots: Mutex::default() }
    }

    /// What somebody has made of the same content and is still in use, or else what
    /// `make` makes of it. Whoever else asks meanwhile waits for that.
    ///
    /// # Errors
    /// Those of `make`; the next one to ask tries again.
    pub(super) async fn get_or_make<E>(
        &self,
        content: Content,
        make: impl Future<Output = Result<T, E>>,
    ) -> Result<Arc<T>, E> {
        let slot = self.slot(content);
        let mut made = slot.lock().await;
        if let Some(made) = made.upgrade() {
            return Ok(made);
        }
        let new = Arc::new(make.await?);
        *made = Arc::downgrade(&new);
        Ok(new)
    }

    fn slot(&self, content: Content) -> Slot<T> {
        let mut slots = self.slots.lock();
        if let Some(slot) = slots.get(&content) {
            return Arc::clone(slot);
        }
        slots.retain(|_, slot| is_used(slot));
        Arc::clone(slots.entry(content).or_default())
    }
}

/// By somebody who waits for it, or who has what was made.
fn is_used<T>(slot: &Slot<T>) -> bool {
    Arc::strong_count(slot) > 1 || slot.try_lock().is_ok_and(|made| made.strong_count() > 0)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::future::join_all;

    use super::*;

    async fn make(text: &str) -> Result<String, Infallible> {
        tokio::task::yield_now().await;
        Ok(text.to_owned())
    }

    #[tokio::test]
    async fn same_bytes_are_made_once_however_many_ask() {
        let catalogue = Catalogue::new();
        let asking = ["first", "second", "third"]
            .map(|text| catalogue.get_or_make(Content::of(b"a"), make(text)));
        let made: Vec<_> = join_all(asking).await.into_iter().map(Result::unwrap).collect();
        assert!(made.iter().all(|one| Arc::ptr_eq(one, &made[0])));
        let other = catalogue.get_or_make(Content::of(b"b"), make("other")).await.unwrap();
        assert_eq!(*other, "other");
    }

    #[tokio::test]
    async fn what_nobody_uses_is_forgotten() {
        let catalogue = Catalogue::new();
        drop(catalogue.get_or_make(Content::of(b"a"), make("first")).await.unwrap());
        let kept = catalogue.get_or_make(Content::of(b"b"), make("second")).await.unwrap();
        assert_eq!(catalogue.slots.lock().len(), 1);
        let again = catalogue.get_or_make(Content::of(b"a"), make("third")).await.unwrap();
        assert_eq!((again.as_str(), kept.as_str()), ("third", "second"));
    }

    #[tokio::test]
    async fn failure_is_not_kept() {
        let catalogue = Catalogue::new();
        let failed =
            catalogue.get_or_make(Content::of(b"a"), async { Err::<String, _>("no") }).await;
        assert_eq!(failed.unwrap_err(), "no");
        let made = catalogue
            .get_or_make(Content::of(b"a"), async { Ok::<_, &str>("yes".to_owned()) })
            .await;
        assert_eq!(*made.unwrap(), "yes");
    }
}
