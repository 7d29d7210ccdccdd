//! Reads a declarative file: bounded, without unknown keys, with values taken from files beside it.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::exit::BadInput;

/// The largest file, in bytes: a hundred accounts with their certificates.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// The largest file that a value comes from, in bytes: several certificates.
const VALUE_FILE_BYTES_MAX: u64 = 256 * 1024;
/// What the name of a field ends in whose value comes from a file.
const FROM_FILE: &str = "_file";

/// Reads a TOML file into `T`. What is said about errors holds no values of it.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, BadInput> {
    let what = path.display().to_string();
    let text = text(path, FILE_BYTES_MAX).map_err(|problem| BadInput::one(&what, problem))?;
    toml::from_str(&text).map_err(|error| {
        let line = error.span().map(|span| {
            let before = text.bytes().take(span.start);
            before
                .filter(|byte| *byte == b'\n')
                .count()
                .saturating_add(1)
        });
        let problem = match line {
            Some(line) => format!("line {line}: {}", error.message()),
            None => error.message().to_owned(),
        };
        BadInput::one(what, problem)
    })
}

fn text(path: &Path, bytes_max: u64) -> Result<String, String> {
    let failed = |error: std::io::Error| {
        format!("expected a readable file of UTF-8 text ({})", error.kind())
    };
    let file = File::open(path).map_err(failed)?;
    let mut text = String::new();
    let read = file
        .take(bytes_max.saturating_add(1))
        .read_to_string(&mut text)
        .map_err(failed)?;
    if u64::try_from(read).unwrap_or(u64::MAX) > bytes_max {
        return Err(format!("expected a file of at most {bytes_max} bytes"));
    }
    Ok(text)
}

/// Turns TOML into JSON and replaces each `<name>_file` by `<name>` with the content of that file, or
/// of those files. Files are looked for beside the declarative file.
pub(super) struct Resolver<'a> {
    base: &'a Path,
    problems: &'a mut Vec<String>,
}

impl<'a> Resolver<'a> {
    /// For the file at `path`; what is wrong is added to `problems`.
    pub(super) fn new(path: &'a Path, problems: &'a mut Vec<String>) -> Self {
        Self {
            base: path.parent().unwrap_or(Path::new("")),
            problems,
        }
    }

    /// A table; `at` names it in problems.
    pub(super) fn table(&mut self, table: toml::Table, at: &str) -> Map<String, Value> {
        let mut resolved = Map::new();
        for (name, value) in table {
            let field = format!("{at}.{name}");
            let (name, value) = match name.strip_suffix(FROM_FILE) {
                Some(plain) => (plain.to_owned(), self.read_files(value, &field)),
                None => (name, self.value(value, &field)),
            };
            if resolved.insert(name.clone(), value).is_some() {
                self.problems
                    .push(format!("{at}.{name}: expected a value or a file, not both"));
            }
        }
        resolved
    }

    fn value(&mut self, value: toml::Value, at: &str) -> Value {
        match value {
            toml::Value::String(text) => Value::from(text),
            toml::Value::Integer(number) => Value::from(number),
            toml::Value::Boolean(flag) => Value::from(flag),
            toml::Value::Datetime(time) => Value::from(time.to_string()),
            toml::Value::Float(_) => {
                self.problems
                    .push(format!("{at}: expected a text or a whole number"));
                Value::Null
            }
            toml::Value::Array(items) => {
                let resolve = |(number, item)| self.value(item, &format!("{at}[{number}]"));
                items.into_iter().enumerate().map(resolve).collect()
            }
            toml::Value::Table(table) => Value::Object(self.table(table, at)),
        }
    }

    fn read_files(&mut self, value: toml::Value, at: &str) -> Value {
        match value {
            toml::Value::String(name) => self.content(&name, at),
            toml::Value::Array(names) => {
                let read = |name| self.read_files(name, at);
                names.into_iter().map(read).collect()
            }
            toml::Value::Integer(_)
            | toml::Value::Float(_)
            | toml::Value::Boolean(_)
            | toml::Value::Datetime(_)
            | toml::Value::Table(_) => {
                self.problems.push(format!(
                    "{at}: expected the path of a file, or a list of them"
                ));
                Value::Null
            }
        }
    }

    /// One newline at the end of a file does not belong to the value.
    fn content(&mut self, name: &str, at: &str) -> Value {
        match text(&self.base.join(name), VALUE_FILE_BYTES_MAX) {
            Ok(text) => {
                let line = text.strip_suffix('\n').unwrap_or(&text);
                Value::from(line.strip_suffix('\r').unwrap_or(line))
            }
            Err(problem) => {
                self.problems.push(format!("{at}: {problem}"));
                Value::Null
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn resolve(text: &str, base: &Path) -> (Value, Vec<String>) {
        let mut problems = Vec::new();
        let table = toml::from_str(text).unwrap();
        let resolved = Resolver::new(base, &mut problems).table(table, "settings");
        (Value::Object(resolved), problems)
    }

    #[test]
    fn values_come_from_files_beside_the_declarative_file() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::write(temp.path().join("a.pem"), "A\n").unwrap();
        std::fs::write(temp.path().join("b.pem"), "B\r\n").unwrap();
        let text = "key_file = 'a.pem'\nkeys_file = ['a.pem', 'b.pem']\n[[certs]]\nserial = '1'\npem_file = 'b.pem'";
        let (resolved, problems) = resolve(text, &temp.path().join("accounts.toml"));
        assert_eq!(problems, Vec::<String>::new());
        let expected =
            json!({"key": "A", "keys": ["A", "B"], "certs": [{"serial": "1", "pem": "B"}]});
        assert_eq!(resolved, expected);
    }

    #[test]
    fn every_problem_is_named_with_its_field() {
        let text = "a = 1.5\nb_file = 7\nc_file = 'nowhere.pem'\nd = 'x'\nd_file = 'nowhere.pem'";
        let (_, problems) = resolve(text, Path::new("/nonexistent/accounts.toml"));
        let joined = problems.join("\n");
        for field in [
            "settings.a:",
            "settings.b_file:",
            "settings.c_file:",
            "settings.d:",
        ] {
            assert!(joined.contains(field), "{field} in {joined}");
        }
    }
}
