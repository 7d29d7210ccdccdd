//! Turns the merged values into sections, key by key, so that every wrong key is named and not just
//! the first. Each field has a default, hence each key can be tried alone.

use figment::error::{Error, Kind};
use figment::value::{Dict, Value};
use serde::de::DeserializeOwned;

use super::error::Problem;

/// The merged values, taken out section by section.
pub(super) struct Sections<'a> {
    values: Dict,
    known: Vec<&'static str>,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Sections<'a> {
    pub(super) fn new(values: Dict, problems: &'a mut Vec<Problem>) -> Self {
        Self {
            values,
            known: Vec::new(),
            problems,
        }
    }

    /// A section; what is wrong in it is noted and replaced by its default.
    pub(super) fn section<T: DeserializeOwned + Default>(&mut self, name: &'static str) -> T {
        self.known.push(name);
        match self.values.remove(name) {
            None => T::default(),
            Some(Value::Dict(_, values)) => extract(name, values, self.problems),
            Some(_) => {
                self.note(name, "a table");
                T::default()
            }
        }
    }

    /// A key outside any section.
    pub(super) fn key<T: DeserializeOwned>(&mut self, name: &'static str, default: T) -> T {
        self.known.push(name);
        let Some(value) = self.values.remove(name) else {
            return default;
        };
        value.deserialize().unwrap_or_else(|error: Error| {
            self.note(name, &spoken(&error.kind));
            default
        })
    }

    /// Notes every name that nobody asked for.
    pub(super) fn finish(mut self) {
        let expected = format!("no such key; known are {}", self.known.join(", "));
        for name in std::mem::take(&mut self.values).into_keys() {
            self.note(&name, &expected);
        }
    }

    fn note(&mut self, path: &str, expected: &str) {
        self.problems.push(Problem {
            path: path.to_owned(),
            expected: expected.to_owned(),
        });
    }
}

fn extract<T: DeserializeOwned + Default>(
    section: &str,
    values: Dict,
    problems: &mut Vec<Problem>,
) -> T {
    let mut good = Dict::new();
    for (path, leaf) in leaves(values) {
        let alone = nest(&path, leaf.clone());
        match Value::from(alone).deserialize::<T>() {
            Ok(_) => insert(&mut good, &path, leaf),
            Err(error) => {
                let problem = problem(section, &path, &error);
                if !problems.contains(&problem) {
                    problems.push(problem);
                }
            }
        }
    }
    Value::from(good)
        .deserialize()
        .unwrap_or_else(|error: Error| {
            problems.push(problem(section, &[], &error));
            T::default()
        })
}

fn problem(section: &str, leaf: &[String], error: &Error) -> Problem {
    let mut path = vec![section.to_owned()];
    if let Kind::UnknownField(field, _) = &error.kind {
        path.extend(error.path.iter().cloned());
        if path.last() != Some(field) {
            path.push(field.clone());
        }
    } else if error.path.is_empty() {
        path.extend_from_slice(leaf);
    } else {
        path.extend(error.path.iter().cloned());
    }
    Problem {
        path: path.join("."),
        expected: spoken(&error.kind),
    }
}

/// What was expected, without what was found: that may be a secret.
fn spoken(kind: &Kind) -> String {
    match kind {
        Kind::InvalidType(_, expected)
        | Kind::InvalidValue(_, expected)
        | Kind::InvalidLength(_, expected) => plain(expected),
        Kind::UnknownVariant(_, allowed) => format!("one of {}", allowed.join(", ")),
        Kind::UnknownField(_, allowed) => format!("no such key; known are {}", allowed.join(", ")),
        Kind::MissingField(name) => format!("a value for {name}"),
        Kind::DuplicateField(name) => format!("{name} only once"),
        Kind::ISizeOutOfRange(_) | Kind::USizeOutOfRange(_) => "a smaller number".to_owned(),
        Kind::Message(_) | Kind::Unsupported(_) | Kind::UnsupportedKey(..) => {
            "a value of the documented form".to_owned()
        }
    }
}

/// Rust's names of types in words.
fn plain(expected: &str) -> String {
    let number = |max: u64| format!("a whole number from 0 to {max}");
    match expected {
        "u8" => number(u8::MAX.into()),
        "u16" => number(u16::MAX.into()),
        "u32" => number(u32::MAX.into()),
        "u64" | "usize" => "a whole number, 0 or more".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "path string" => "a path".to_owned(),
        "socket address" => "an address and port such as 127.0.0.1:8080 or [::1]:8080".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a table".to_owned(),
        other if other.starts_with("struct ") => "a table".to_owned(),
        other => other.to_owned(),
    }
}

/// Every value that is no table, with its path. Bounded by the size of the input.
fn leaves(values: Dict) -> Vec<(Vec<String>, Value)> {
    let mut found = Vec::new();
    let mut open: Vec<_> = values
        .into_iter()
        .map(|(key, value)| (vec![key], value))
        .collect();
    while let Some((path, value)) = open.pop() {
        match value {
            Value::Dict(_, inner) if !inner.is_empty() => {
                open.extend(inner.into_iter().map(|(key, value)| {
                    let mut path = path.clone();
                    path.push(key);
                    (path, value)
                }));
            }
            leaf => found.push((path, leaf)),
        }
    }
    found
}

fn nest(path: &[String], leaf: Value) -> Dict {
    let mut dict = Dict::new();
    insert(&mut dict, path, leaf);
    dict
}

fn insert(dict: &mut Dict, path: &[String], leaf: Value) {
    match path {
        [] => {}
        [key] => {
            dict.insert(key.clone(), leaf);
        }
        [key, rest @ ..] => {
            let inner = dict
                .entry(key.clone())
                .or_insert_with(|| Dict::new().into());
            if let Value::Dict(_, inner) = inner {
                insert(inner, rest, leaf);
            }
        }
    }
}
