//! Bodies made to exhaust a parser: depth, entities, counts and lengths, up to what the ingress reads.

/// What the ingress reads at most (`callback-ingress/src/body.rs`).
const BODY_BYTES_MAX: usize = 64 * 1024;
/// As deep as issue and design ask for.
const DEPTH: usize = 10_000;

/// Name and bytes of every bomb.
pub fn all() -> Vec<(&'static str, Vec<u8>)> {
    let mut bombs = json();
    bombs.extend(xml());
    bombs.extend(form());
    bombs.push(("nothing", Vec::new()));
    bombs.push(("zeros", vec![0; BODY_BYTES_MAX]));
    bombs.push(("ones", vec![0xff; BODY_BYTES_MAX]));
    bombs
}

fn nested(open: &str, middle: &str, close: &str) -> Vec<u8> {
    [&open.repeat(DEPTH), middle, &close.repeat(DEPTH)]
        .concat()
        .into_bytes()
}

fn json() -> Vec<(&'static str, Vec<u8>)> {
    let head = r#"{"id":"1","event_type":"TRANSACTION.SUCCESS","resource":"#;
    let mut in_envelope = head.as_bytes().to_vec();
    in_envelope.extend(nested("[", "1", "]"));
    in_envelope.push(b'}');
    vec![
        ("deep JSON lists", nested("[", "1", "]")),
        ("deep JSON lists that never end", nested("[", "", "")),
        ("deep JSON objects", nested(r#"{"a":"#, "1", "}")),
        ("deep JSON in an envelope", in_envelope),
        (
            "a JSON number of 60,000 digits",
            format!(r#"{{"id":{}}}"#, "9".repeat(60_000)).into_bytes(),
        ),
        (
            "a JSON list of 30,000",
            format!("[{}0]", "0,".repeat(30_000)).into_bytes(),
        ),
        (
            "a JSON text of escapes",
            format!(r#"{{"id":"{}"}}"#, r"\u0000".repeat(DEPTH)).into_bytes(),
        ),
        (
            "half of a surrogate pair",
            br#"{"id":"\ud800","event_type":"a"}"#.to_vec(),
        ),
    ]
}

fn xml() -> Vec<(&'static str, Vec<u8>)> {
    let mut laughs = String::from("<?xml version=\"1.0\"?><!DOCTYPE xml [<!ENTITY l0 \"lol\">");
    for level in 1..12 {
        let last = level - 1;
        let entity = format!("<!ENTITY l{level} \"{}\">", format!("&l{last};").repeat(10));
        laughs.push_str(&entity);
    }
    laughs.push_str("]><xml><return_code>&l11;</return_code></xml>");
    let long = "a".repeat(20_000);
    let quadratic = format!(
        "<!DOCTYPE xml [<!ENTITY a \"{long}\">]><xml><sign>{}</sign></xml>",
        "&a;".repeat(DEPTH)
    );
    let external =
        "<!DOCTYPE xml [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><xml><sign>&x;</sign></xml>";
    let parameter = "<!DOCTYPE xml [<!ENTITY % x SYSTEM \"http://127.0.0.1:1/x\"> %x;]><xml></xml>";
    let attributes: String = (0..4_000)
        .flat_map(|at| [" a".to_owned(), at.to_string(), "=\"1\"".to_owned()])
        .collect();
    vec![
        ("a billion laughs", laughs.into_bytes()),
        ("a quadratic entity", quadratic.into_bytes()),
        ("an external entity", external.as_bytes().to_vec()),
        ("a parameter entity", parameter.as_bytes().to_vec()),
        ("deep XML", nested("<a>", "1", "</a>")),
        ("deep XML that never ends", nested("<a>", "", "")),
        (
            "an XML element of 4,000 attributes",
            format!("<xml{attributes}/>").into_bytes(),
        ),
        (
            "an XML text that never ends",
            b"<xml><sign><![CDATA[".repeat(3_000),
        ),
        (
            "an XML comment that never ends",
            [b"<xml><!--".as_slice(), &b"-".repeat(60_000)].concat(),
        ),
    ]
}

fn form() -> Vec<(&'static str, Vec<u8>)> {
    let fields: String = (0..6_000)
        .flat_map(|at| ["f".to_owned(), at.to_string(), "=1&".to_owned()])
        .collect();
    vec![
        ("a form of 6,000 fields", fields.into_bytes()),
        ("a form of one field 20,000 times", b"a=1&".repeat(16_000)),
        ("a form of ampersands", b"&".repeat(BODY_BYTES_MAX)),
        ("a form of equals signs", b"=".repeat(BODY_BYTES_MAX)),
        ("a form of percent signs", b"%".repeat(BODY_BYTES_MAX)),
        ("a form of half escapes", b"%e4%b8&".repeat(9_000)),
        (
            "a form with a name of 60,000",
            [&b"a".repeat(60_000), b"=1".as_slice()].concat(),
        ),
    ]
}
