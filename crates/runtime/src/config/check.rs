//! Small helpers with which the sections check their values.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::Path;

use url::{Host, Url};

use super::error::Problem;

/// Collects the problems of one section.
pub(super) struct Check<'a> {
    path: &'a str,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Check<'a> {
    pub(super) fn new(path: &'a str, problems: &'a mut Vec<Problem>) -> Self {
        Self { path, problems }
    }

    /// Notes a problem unless `holds`.
    pub(super) fn that(&mut self, holds: bool, key: &str, expected: &str) {
        if !holds {
            self.wrong(key, expected.to_owned());
        }
    }

    /// Notes a problem.
    pub(super) fn wrong(&mut self, key: &str, expected: String) {
        let path = if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        };
        self.problems.push(Problem { path, expected });
    }

    /// A number within its bounds, both included.
    pub(super) fn range<T>(&mut self, key: &str, value: T, bounds: &RangeInclusive<T>)
    where
        T: PartialOrd + Display + Copy,
    {
        if !bounds.contains(&value) {
            self.wrong(
                key,
                format!("a number from {} to {}", bounds.start(), bounds.end()),
            );
        }
    }

    /// A path to a file that is there.
    pub(super) fn file(&mut self, key: &str, path: Option<&Path>) {
        if let Some(path) = path {
            self.that(path.is_file(), key, "the path of a file that exists");
        }
    }
}

/// Parses `http://…` or `https://…` with a host and without user, query or fragment.
pub(super) fn web_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    (matches!(url.scheme(), "http" | "https") && url.host().is_some() && plain).then_some(url)
}

/// Whether the URL's host is this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
