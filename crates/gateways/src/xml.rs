//! The flat XML of WeChat Pay's API v2: one root, one level of children, text or CDATA.
//!
//! Whatever the protocol has no use for is refused: document types and with them every entity of
//! one's own, attributes, comments, processing instructions, deeper levels, a name that comes twice.

use std::collections::BTreeMap;

use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};

/// How many children are read; genuine messages have some fifty and three for each coupon.
const FIELDS_MAX: usize = 512;
const BOM: char = '\u{feff}';

/// Not the XML that the protocol speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not flat xml")]
pub(crate) struct XmlError;

/// Where the reader is.
enum At {
    Start,
    /// Inside the root.
    Root,
    /// Inside the child of this name, with its text so far.
    Child(String, String),
    End,
}

/// Reads the children of `root` by name.
pub(crate) fn parse(bytes: &[u8], root: &str) -> Result<BTreeMap<String, String>, XmlError> {
    let text = std::str::from_utf8(bytes).map_err(|_not_utf8| XmlError)?;
    let mut reader = Reader::from_str(text.trim_start_matches(BOM));
    let mut fields = BTreeMap::new();
    let mut at = At::Start;
    loop {
        let event = reader.read_event().map_err(|_malformed| XmlError)?;
        at = match (at, event) {
            (At::End, Event::Eof) => return Ok(fields),
            (At::Start, Event::Decl(_)) => At::Start,
            (At::Start, Event::Start(start)) if name(&start)? == root => At::Root,
            (At::Root, Event::Start(start)) => At::Child(name(&start)?, String::new()),
            (At::Root, Event::Empty(empty)) => insert(&mut fields, name(&empty)?, String::new())?,
            (At::Root, Event::End(_)) => At::End,
            (At::Child(name, value), Event::End(_)) => insert(&mut fields, name, value)?,
            (At::Child(name, mut value), Event::Text(text)) => {
                value.push_str(&text.xml10_content());
                At::Child(name, value)
            }
            (At::Child(name, mut value), Event::CData(text)) => {
                value.push_str(&text.xml10_content());
                At::Child(name, value)
            }
            (At::Child(name, mut value), Event::GeneralRef(reference)) => {
                value.push(character(&reference)?);
                At::Child(name, value)
            }
            (at, Event::Text(text)) if text.xml10_content().trim().is_empty() => at,
            (At::Start | At::Root | At::Child(_, _) | At::End, _) => return Err(XmlError),
        };
    }
}

fn insert(
    fields: &mut BTreeMap<String, String>,
    name: String,
    value: String,
) -> Result<At, XmlError> {
    if fields.len() >= FIELDS_MAX || fields.insert(name, value).is_some() {
        Err(XmlError)
    } else {
        Ok(At::Root)
    }
}

fn name(start: &BytesStart<'_>) -> Result<String, XmlError> {
    if start.attributes_raw().is_empty() {
        Ok(start.name().as_ref().to_owned())
    } else {
        Err(XmlError)
    }
}

/// The five names that XML knows by itself, and numbered characters.
fn character(reference: &BytesRef<'_>) -> Result<char, XmlError> {
    if reference.is_char_ref() {
        let character = reference.resolve_char_ref().map_err(|_no_char| XmlError)?;
        return character.ok_or(XmlError);
    }
    match reference.xml10_content().as_ref() {
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "amp" => Ok('&'),
        "apos" => Ok('\''),
        "quot" => Ok('"'),
        _ => Err(XmlError),
    }
}

/// Writes fields under `<xml>`, escaped.
#[cfg(feature = "client")]
pub(crate) fn write(fields: &BTreeMap<String, String>) -> String {
    let mut text = String::from("<xml>");
    for (name, value) in fields {
        let value = quick_xml::escape::escape(value.as_str());
        for part in ["<", name, ">", &value, "</", name, ">"] {
            text.push_str(part);
        }
    }
    text.push_str("</xml>");
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let pairs = pairs.iter();
        pairs
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn text_cdata_references_and_empty_elements_are_read() {
        let xml = "\u{feff}<?xml version=\"1.0\"?>\n<xml>\n <a><![CDATA[1 & <b>]]></a>\
            <b>x&lt;&#65;&amp;</b><c/><d></d></xml>\n";
        let expected = fields(&[("a", "1 & <b>"), ("b", "x<A&"), ("c", ""), ("d", "")]);
        assert_eq!(parse(xml.as_bytes(), "xml"), Ok(expected));
    }

    #[test]
    fn what_the_protocol_has_no_use_for_is_refused() {
        let deep = format!("<xml>{}", "<a>".repeat(10_000));
        let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;\">]><xml><v>&b;</v></xml>";
        let many: Vec<String> = (0..=FIELDS_MAX)
            .map(|n| format!("<f{n}>1</f{n}>"))
            .collect();
        let many = many.concat();
        for bad in [
            "",
            "text",
            "<xml>",
            "<xml></xml><xml></xml>",
            "<xml></xml>rest",
            "<other></other>",
            "<xml><a>1</a><a>2</a></xml>",
            "<xml><a><b>1</b></a></xml>",
            "<xml><a b=\"c\">1</a></xml>",
            "<xml a=\"b\"></xml>",
            "<xml><a>1<!-- 2 --></a></xml>",
            "<xml><a>&unknown;</a></xml>",
            "<xml><a>&#0x;</a></xml>",
            "<xml>text</xml>",
            "<xml><?php x ?></xml>",
            "<!DOCTYPE xml SYSTEM \"file:///etc/passwd\"><xml></xml>",
            bomb,
            &deep,
            &format!("<xml>{many}</xml>"),
        ] {
            let head: String = bad.chars().take(60).collect();
            assert_eq!(parse(bad.as_bytes(), "xml"), Err(XmlError), "{head}");
        }
        assert_eq!(parse(b"<xml><a>\xff</a></xml>", "xml"), Err(XmlError));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            drop(parse(&bytes, "xml"));
        }

        #[test]
        fn what_is_written_reads_back(value in "[^\\x00-\\x1f]{0,40}") {
            let written = fields(&[("a", &value), ("b", "1")]);
            prop_assert_eq!(parse(write(&written).as_bytes(), "xml"), Ok(written));
        }
    }
}
