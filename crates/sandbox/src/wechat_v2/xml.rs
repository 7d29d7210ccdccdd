//! WeChat Pay v2's messages: `<xml>` with one level of children (`wechat_v2` sheet §2). Read by hand, on
//! purpose not by the crate that Kassa's own adapter uses.

use std::collections::BTreeMap;

/// Fields by name; the signature goes over them in this order.
pub(crate) type Fields = BTreeMap<String, String>;

/// Children of a message.
const FIELDS_MAX: usize = 256;

/// Reads a message. `None` for everything that is not of this form, document types included.
pub(crate) fn read(text: &str, root: &str) -> Option<Fields> {
    let mut rest = text.trim();
    if let Some(after) = rest.strip_prefix("<?xml") {
        rest = after.split_once("?>")?.1.trim_start();
    }
    rest = rest.strip_prefix(&format!("<{root}>"))?;
    let mut fields = Fields::new();
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix(&format!("</{root}>")) {
            return after.is_empty().then_some(fields);
        }
        let (name, after) = rest.strip_prefix('<')?.split_once('>')?;
        let (name, value, after) = if let Some(name) = name.strip_suffix('/') {
            (name, String::new(), after)
        } else {
            let (value, after) = value(after, &format!("</{name}>"))?;
            (name, value, after)
        };
        let is_name =
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !is_name || fields.len() >= FIELDS_MAX || fields.insert(name.to_owned(), value).is_some()
        {
            return None;
        }
        rest = after;
    }
}

/// The text up to `end`: plain and escaped, or in one CDATA section.
fn value<'a>(text: &'a str, end: &str) -> Option<(String, &'a str)> {
    if let Some(inside) = text.strip_prefix("<![CDATA[") {
        let (value, after) = inside.split_once("]]>")?;
        return Some((value.to_owned(), after.strip_prefix(end)?));
    }
    let (value, after) = text.split_once(end)?;
    (!value.contains('<')).then(|| (unescape(value), after))
}

fn unescape(text: &str) -> String {
    [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&amp;", "&"),
    ]
    .into_iter()
    .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// Writes a message as WeChat Pay does: every value in CDATA.
pub(crate) fn write(fields: &Fields, root: &str) -> String {
    let children: Vec<String> = fields
        .iter()
        .map(|(name, value)| {
            let value = value.replace("]]>", "]]]]><![CDATA[>");
            format!("<{name}><![CDATA[{value}]]></{name}>")
        })
        .collect();
    format!("<{root}>{}</{root}>", children.concat())
}
