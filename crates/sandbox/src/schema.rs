//! Tables of the fields that a gateway's request may and must have, and the check against them.

use serde_json::{Map, Value};

/// What a field holds.
pub(crate) enum Kind {
    /// A string of so many characters.
    Text { min: usize, max: usize },
    /// A string of so many characters, each of which passes.
    Chars {
        min: usize,
        max: usize,
        allowed: fn(char) -> bool,
    },
    /// An integer, at least this.
    Int { min: i64 },
    /// `true` or `false`.
    Bool,
    /// One of these strings.
    Choice(&'static [&'static str]),
    /// An object with these fields and no others.
    Object(&'static [Field]),
    /// An object that is not looked into.
    AnyObject,
    /// A list of objects with these fields.
    List(&'static [Field]),
    /// A list of strings.
    Texts,
}

/// One field of a request.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) is_required: bool,
}

/// A field that must be there.
pub(crate) const fn required(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        is_required: true,
    }
}

/// A field that may be there.
pub(crate) const fn optional(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        is_required: false,
    }
}

/// Shorthand for a string of at least one character.
pub(crate) const fn text(max: usize) -> Kind {
    Kind::Text { min: 1, max }
}

/// What is wrong with a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// `/amount/total`.
    pub(crate) path: String,
    pub(crate) issue: &'static str,
    /// The offending value as JSON text, or empty.
    pub(crate) value: String,
}

/// The first thing that is wrong, if any: missing fields, then unknown ones, then values.
pub(crate) fn violation(fields: &[Field], object: &Map<String, Value>) -> Option<Violation> {
    check_object(fields, object, "")
}

fn found(path: String, issue: &'static str, value: Option<&Value>) -> Violation {
    let value = value.map(ToString::to_string).unwrap_or_default();
    Violation { path, issue, value }
}

fn check_object(fields: &[Field], object: &Map<String, Value>, at: &str) -> Option<Violation> {
    for field in fields {
        if field.is_required && !object.contains_key(field.name) {
            return Some(found(format!("{at}/{}", field.name), "is missing", None));
        }
    }
    for (name, value) in object {
        let path = format!("{at}/{name}");
        let Some(field) = fields.iter().find(|field| field.name == name) else {
            return Some(found(path, "is unknown", Some(value)));
        };
        if let Some(violation) = check_value(&field.kind, value, path) {
            return Some(violation);
        }
    }
    None
}

fn check_value(kind: &Kind, value: &Value, path: String) -> Option<Violation> {
    let is_long = |text: &str, min: usize, max: usize| {
        let length = text.chars().count();
        length >= min && length <= max
    };
    let issue = match (kind, value) {
        (Kind::Text { min, max }, Value::String(text)) => {
            (!is_long(text, *min, *max)).then_some("has a wrong length")
        }
        (Kind::Chars { min, max, allowed }, Value::String(text)) => {
            if is_long(text, *min, *max) {
                (!text.chars().all(allowed)).then_some("has characters that are not allowed")
            } else {
                Some("has a wrong length")
            }
        }
        (Kind::Choice(choices), Value::String(text)) => {
            (!choices.contains(&text.as_str())).then_some("is not one of the choices")
        }
        (Kind::Int { min }, Value::Number(number)) => match number.as_i64() {
            Some(number) => (number < *min).then_some("is too small"),
            None => Some("is not an integer"),
        },
        (Kind::Bool, Value::Bool(_)) | (Kind::AnyObject, Value::Object(_)) => None,
        (Kind::Object(fields), Value::Object(object)) => {
            return check_object(fields, object, &path);
        }
        (Kind::List(fields), Value::Array(items)) => {
            return check_items(fields, items, &path);
        }
        (Kind::Texts, Value::Array(items)) => {
            (!items.iter().all(Value::is_string)).then_some("has an item that is not a string")
        }
        _ => Some("has a wrong type"),
    };
    issue.map(|issue| found(path, issue, Some(value)))
}

fn check_items(fields: &[Field], items: &[Value], path: &str) -> Option<Violation> {
    items
        .iter()
        .enumerate()
        .find_map(|(index, item)| match item {
            Value::Object(object) => check_object(fields, object, &format!("{path}/{index}")),
            other => Some(found(
                format!("{path}/{index}"),
                "has a wrong type",
                Some(other),
            )),
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const FIELDS: &[Field] = &[
        required(
            "no",
            Kind::Chars {
                min: 2,
                max: 4,
                allowed: |c| c.is_ascii_digit(),
            },
        ),
        optional(
            "amount",
            Kind::Object(&[required("total", Kind::Int { min: 1 })]),
        ),
        optional("kind", Kind::Choice(&["a", "b"])),
    ];

    fn issue(value: &Value) -> Option<(String, &'static str)> {
        violation(FIELDS, value.as_object().unwrap()).map(|found| (found.path, found.issue))
    }

    #[test]
    fn each_kind_of_violation_is_named_with_its_path() {
        let cases = [
            (json!({}), "/no", "is missing"),
            (json!({"no": "12", "x": 1}), "/x", "is unknown"),
            (json!({"no": "1"}), "/no", "has a wrong length"),
            (
                json!({"no": "1a"}),
                "/no",
                "has characters that are not allowed",
            ),
            (json!({"no": 12}), "/no", "has a wrong type"),
            (
                json!({"no": "12", "amount": {}}),
                "/amount/total",
                "is missing",
            ),
            (
                json!({"no": "12", "amount": {"total": 0}}),
                "/amount/total",
                "is too small",
            ),
            (
                json!({"no": "12", "amount": {"total": 1.5}}),
                "/amount/total",
                "is not an integer",
            ),
            (
                json!({"no": "12", "amount": {"total": "1"}}),
                "/amount/total",
                "has a wrong type",
            ),
            (
                json!({"no": "12", "kind": "c"}),
                "/kind",
                "is not one of the choices",
            ),
        ];
        for (value, path, expected) in cases {
            assert_eq!(issue(&value), Some((path.to_owned(), expected)), "{value}");
        }
    }

    #[test]
    fn a_complete_request_has_no_violation() {
        assert_eq!(
            issue(&json!({"no": "123", "amount": {"total": 1}, "kind": "a"})),
            None
        );
    }
}
