//! Random alterations of a callback.

use proptest::collection::vec;
use proptest::prelude::{Strategy, any};
use proptest::prop_oneof;
use proptest::sample::{Index, select};

use super::Posted;

/// Alterations of one callback.
const CHANGES_MAX: usize = 5;
/// Bytes that one alteration cuts, inserts or repeats.
const BYTES_MAX: usize = 64;
/// Repetitions of a piece.
const TIMES_MAX: usize = 40;

/// What parsers trip over: delimiters, escapes, entities, numbers beyond every type.
const TOKENS: [&str; 40] = [
    "&",
    "=",
    "&&",
    "&sign=",
    "&sign_type=RSA2",
    "%",
    "%00",
    "%zz",
    "%25",
    "+",
    "\0",
    "\r\n",
    "\n",
    "{",
    "}",
    "[",
    "]",
    "[[[[",
    "\"",
    "\\",
    "\\u0000",
    "\\ud800",
    "null",
    "1e999",
    "-1",
    "0.005",
    "99999999999999999999999",
    "NaN",
    "<",
    ">",
    "<!DOCTYPE a [",
    "<!ENTITY x SYSTEM \"file:///etc/passwd\">",
    "&x;",
    "&#0;",
    "<![CDATA[",
    "]]>",
    "<?xml",
    "</xml>",
    "\u{feff}",
    "一",
];

/// Alterations of one of the genuine callbacks.
#[derive(Debug, Clone)]
pub struct Case {
    /// Which callback.
    pub(super) of: usize,
    changes: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Body(Edit),
    Header(Index, Edit),
    DropHeader(Index),
    RepeatHeader(Index),
    OtherBody(Vec<u8>),
}

#[derive(Debug, Clone)]
enum Edit {
    Flip(Index, u8),
    Cut(Index, usize),
    Insert(Index, Vec<u8>),
    Repeat(Index, usize, usize),
    Truncate(Index),
}

/// Random cases over so many callbacks.
pub(super) fn cases(callbacks: usize) -> impl Strategy<Value = Case> {
    let changes = vec(change(), 1..=CHANGES_MAX);
    (0..callbacks, changes).prop_map(|(of, changes)| Case { of, changes })
}

fn change() -> impl Strategy<Value = Change> {
    let index = any::<Index>;
    prop_oneof![
        8 => edit().prop_map(Change::Body),
        4 => (index(), edit()).prop_map(|(at, edit)| Change::Header(at, edit)),
        1 => index().prop_map(Change::DropHeader),
        1 => index().prop_map(Change::RepeatHeader),
        1 => vec(piece(), 0..16).prop_map(|pieces| Change::OtherBody(pieces.concat())),
    ]
}

fn edit() -> impl Strategy<Value = Edit> {
    let index = any::<Index>;
    prop_oneof![
        4 => (index(), 0_u8..8).prop_map(|(at, bit)| Edit::Flip(at, bit)),
        2 => (index(), 1..BYTES_MAX).prop_map(|(at, length)| Edit::Cut(at, length)),
        4 => (index(), piece()).prop_map(|(at, piece)| Edit::Insert(at, piece)),
        1 => (index(), 1..BYTES_MAX, 1..TIMES_MAX)
            .prop_map(|(at, length, times)| Edit::Repeat(at, length, times)),
        1 => index().prop_map(Edit::Truncate),
    ]
}

fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        2 => select(&TOKENS[..]).prop_map(|token| token.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..BYTES_MAX),
    ]
}

impl Case {
    pub(super) fn applied(&self, genuine: &Posted) -> Posted {
        let mut posted = genuine.clone();
        for change in &self.changes {
            change.apply(&mut posted);
        }
        posted
    }
}

impl Change {
    fn apply(&self, posted: &mut Posted) {
        let count = posted.headers.len();
        match self {
            Self::Body(edit) => edit.apply(&mut posted.body),
            Self::OtherBody(body) => posted.body.clone_from(body),
            Self::Header(at, edit) if count > 0 => {
                if let Some((_, value)) = posted.headers.get_mut(at.index(count)) {
                    edit.apply(value);
                }
            }
            Self::DropHeader(at) if count > 0 => {
                posted.headers.remove(at.index(count));
            }
            Self::RepeatHeader(at) if count > 0 => {
                let repeated = posted.headers.get(at.index(count)).cloned();
                posted.headers.extend(repeated);
            }
            Self::Header(..) | Self::DropHeader(_) | Self::RepeatHeader(_) => {}
        }
    }
}

impl Edit {
    fn apply(&self, bytes: &mut Vec<u8>) {
        // One beyond the last byte is a place to insert at.
        let places = bytes.len().saturating_add(1);
        let end = |from: usize, length: usize| from.saturating_add(length).min(bytes.len());
        match self {
            Self::Flip(at, bit) => {
                if let Some(byte) = bytes.get_mut(at.index(places)) {
                    *byte ^= 1 << bit;
                }
            }
            Self::Cut(at, length) => {
                let from = at.index(places);
                bytes.drain(from..end(from, *length));
            }
            Self::Insert(at, piece) => {
                let from = at.index(places);
                bytes.splice(from..from, piece.iter().copied());
            }
            Self::Repeat(at, length, times) => {
                let from = at.index(places);
                let piece = bytes.get(from..end(from, *length)).unwrap_or_default();
                let repeated = piece.repeat(*times);
                bytes.splice(from..from, repeated);
            }
            Self::Truncate(at) => bytes.truncate(at.index(places)),
        }
    }
}
