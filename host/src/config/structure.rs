//! Compares a document with the schema: unknown keys, missing ones, wrong types,
//! and texts that are not of their format, all of them at once.

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::document::Document;
use super::scalars;

/// What the errors call the types of TOML.
const STRING: &str = "a text in quotes";
const TABLE: &str = "a table";

/// Notes everything in the document that the schema does not allow.
pub(super) fn check(document: &mut Document<'_>, schema: &Value) {
    let mut checker = Checker { schema, found: Vec::new() };
    let root = document.root();
    checker.table(root.get_ref(), root.span(), schema, "the manifest");
    for (span, message) in checker.found {
        document.note(span, message);
    }
}

type Span = std::ops::Range<usize>;

struct Checker<'s> {
    schema: &'s Value,
    found: Vec<(Span, String)>,
}

impl<'s> Checker<'s> {
    /// `name` is what the value is called: its key.
    fn value(&mut self, value: &Spanned<DeValue<'_>>, schema: &'s Value, name: &str) {
        let schema = self.resolve(schema);
        if let Some(choices) = schema.get("anyOf").and_then(Value::as_array) {
            let choices: Vec<_> = choices.iter().map(|choice| self.resolve(choice)).collect();
            let fitting = choices.iter().find(|choice| fits(value.get_ref(), choice));
            match fitting {
                Some(choice) => self.value(value, choice, name),
                None => {
                    let wanted: Vec<_> = choices.iter().filter_map(|one| wanted(one)).collect();
                    self.wrong_type(value, &wanted.join(" or "), name);
                }
            }
            return;
        }
        if !fits(value.get_ref(), schema) {
            self.wrong_type(value, wanted(schema).unwrap_or("something else"), name);
            return;
        }
        match value.get_ref() {
            DeValue::Table(table) => self.table(table, value.span(), schema, name),
            DeValue::Array(items) => {
                let Some(of_items) = schema.get("items") else { return };
                for item in items.iter() {
                    self.value(item, of_items, name);
                }
            }
            DeValue::String(text) => {
                let format = schema.get("format").and_then(Value::as_str).unwrap_or_default();
                if let Err(error) = scalars::check(format, text) {
                    self.found.push((value.span(), format!("`{name}`: {error}")));
                }
            }
            DeValue::Integer(number) => {
                let number = i64::from_str_radix(number.as_str(), number.radix()).ok();
                self.range(number, value.span(), schema, name);
            }
            _ => {}
        }
    }

    fn table(&mut self, table: &DeTable<'_>, span: Span, schema: &'s Value, name: &str) {
        let keys = schema.get("properties").and_then(Value::as_object);
        let others = schema.get("additionalProperties");
        for (key, value) in table {
            let text: &str = key.get_ref();
            if let Some(known) = keys.and_then(|keys| keys.get(text)) {
                self.value(value, known, text);
            } else if let Some(others @ Value::Object(_)) = others {
                self.value(value, others, text);
            } else if others == Some(&Value::Bool(false)) {
                let known = keys.into_iter().flatten().map(|(known, _)| known.as_str());
                let hint = hint(text, known);
                self.found.push((key.span(), format!("unknown key `{text}` in {name}{hint}")));
            }
        }
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        for key in required.filter_map(Value::as_str).filter(|&key| !table.contains_key(key)) {
            self.found.push((span.clone(), format!("`{name}` has no `{key}`")));
        }
    }

    fn range(&mut self, number: Option<i64>, span: Span, schema: &Value, name: &str) {
        let bound = |key: &str| schema.get(key).and_then(Value::as_i64);
        let min = bound("minimum").unwrap_or(0);
        // Where no range is given, the type decides what fits.
        let is_short = schema.get("format").is_some_and(|format| format == "uint32");
        let max = bound("maximum").or(is_short.then_some(i64::from(u32::MAX)));
        if number.is_some_and(|number| number >= min && max.is_none_or(|max| number <= max)) {
            return;
        }
        let wanted = match max {
            Some(max) => format!("from {min} to {max}"),
            None => format!("of at least {min}"),
        };
        self.found.push((span, format!("`{name}` is a number {wanted}")));
    }

    fn wrong_type(&mut self, value: &Spanned<DeValue<'_>>, wanted: &str, name: &str) {
        let is = match value.get_ref() {
            DeValue::String(_) => STRING,
            DeValue::Integer(_) => "a number",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => TABLE,
        };
        self.found.push((value.span(), format!("`{name}` is {wanted}, not {is}")));
    }

    /// Follows a reference into the schema's definitions.
    fn resolve(&self, schema: &'s Value) -> &'s Value {
        let Some(reference) = schema.get("$ref").and_then(Value::as_str) else { return schema };
        let pointer = reference.strip_prefix('#').unwrap_or_default();
        self.schema.pointer(pointer).unwrap_or(schema)
    }
}

fn type_of(schema: &Value) -> Option<&str> {
    schema.get("type").and_then(Value::as_str)
}

fn fits(value: &DeValue<'_>, schema: &Value) -> bool {
    match type_of(schema) {
        Some("string") => matches!(value, DeValue::String(_)),
        Some("integer") => matches!(value, DeValue::Integer(_)),
        Some("boolean") => matches!(value, DeValue::Boolean(_)),
        Some("array") => matches!(value, DeValue::Array(_)),
        Some("object") => matches!(value, DeValue::Table(_)),
        _ => true,
    }
}

fn wanted(schema: &Value) -> Option<&'static str> {
    match type_of(schema)? {
        "string" => Some(STRING),
        "integer" => Some("a number"),
        "boolean" => Some("true or false"),
        "array" => Some("a list"),
        "object" => Some(TABLE),
        _ => None,
    }
}

/// The known name that is meant, or all that there are.
pub(super) fn hint<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    // Two names that share less than this are not taken for one another.
    const SIMILAR: f64 = 0.7;
    let similarity = |known: &str| strsim::jaro_winkler(&name.to_lowercase(), known);
    let nearest = known.clone().max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
    match nearest {
        Some(nearest) if similarity(nearest) >= SIMILAR => format!("; did you mean `{nearest}`?"),
        Some(_) => format!("; there are {}", known.collect::<Vec<_>>().join(", ")),
        None => String::new(),
    }
}
