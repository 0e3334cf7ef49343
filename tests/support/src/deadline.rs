//! The one rule for waiting: on an event, and never for ever.

use std::time::Duration;

use anyhow::{Context, Result};

/// How long any single wait may take. Far more than a healthy run needs, so
/// that a loaded machine fails no test.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// How often [`eventually`] looks again.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Awaits `work`, or fails naming `what` once the [`DEADLINE`] has passed.
pub async fn within<F: Future>(what: &str, work: F) -> Result<F::Output> {
    within_time(DEADLINE, what, work).await
}

/// Like [`within`], for what takes longer than the host: somebody else's tools.
pub async fn within_time<F: Future>(deadline: Duration, what: &str, work: F) -> Result<F::Output> {
    tokio::time::timeout(deadline, work)
        .await
        .with_context(|| format!("waited {deadline:?} in vain for {what}"))
}

/// Looks again and again until `look` finds something.
///
/// Only for what announces nothing, such as the server's monitoring pages.
/// Where there is an event, wait for that.
pub async fn eventually<T>(
    what: &str,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    within(what, async {
        loop {
            if let Some(found) = look().await? {
                return Ok(found);
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    })
    .await?
}
