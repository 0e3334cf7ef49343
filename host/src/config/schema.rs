//! The JSON schema of a manifest.

use schemars::SchemaGenerator;
use serde_json::Value;

use super::tables::Tables;

/// The schema that editors complete and check manifests by. What is optional may
/// be left out; TOML has no null.
pub fn schema() -> Value {
    let mut schema = SchemaGenerator::default().into_root_schema_for::<Tables>().to_value();
    without_null(&mut schema);
    schema
}

fn without_null(schema: &mut Value) {
    match schema {
        Value::Object(keys) => {
            // So would be a number that is no whole one, or a default that is not there.
            keys.retain(|key, value| !(key == "default" && value.is_null()));
            if let Some(Value::Array(types)) = keys.get_mut("type") {
                types.retain(|ty| ty != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    keys.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(choices)) = keys.get_mut("anyOf") {
                choices.retain(|choice| choice.get("type").is_none_or(|ty| ty != "null"));
                if let [only] = choices.as_mut_slice() {
                    let only = only.take();
                    keys.remove("anyOf");
                    if let Value::Object(only) = only {
                        keys.extend(only);
                    }
                }
            }
            keys.values_mut().for_each(without_null);
        }
        Value::Array(items) => items.iter_mut().for_each(without_null),
        _ => {}
    }
}
