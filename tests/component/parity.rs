//! The vocabulary of a NATS client, as a plugin has it.

mod harness;

use anyhow::Result;
use harness::Scene;
use serde_json::json;

#[tokio::test]
async fn a_generated_name_is_a_uuid_that_the_server_sees() -> Result<()> {
    let scene = Scene::of(&["probe"]).await?;
    let name = scene.probe().obey(json!({ "op": "name" })).await?;
    let name = name.as_str().unwrap_or_default();
    assert_eq!(name.len(), 36, "{name}");
    assert!(scene.server.connection(name).await?.is_some(), "{name}");
    Ok(())
}
