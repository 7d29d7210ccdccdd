//! What the rooms' tests share: a loopback server with canned answers, and signatures made by the
//! `rsa` crate, so that our signing and verifying are not only judged by each other.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::DateTime;
use kassa_core::channel::GatewayName;
use kassa_core::id::{ChannelAccountId, NotificationId};
use kassa_core::notification::{CallbackRoute, Notification};
use kassa_core::{Clock, IdSource};
use rsa::pkcs1v15::SigningKey;
use rsa::pkcs8::DecodePrivateKey;
use rsa::sha2::Sha256;
use rsa::signature::{SignatureEncoding, Signer};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request as the loopback server received it.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }
}

/// A server on a free loopback port; the handler's `None` cuts the connection after the request.
#[derive(Debug)]
pub(crate) struct Loopback {
    address: std::net::SocketAddr,
    requests: Arc<Mutex<Vec<Received>>>,
}

impl Loopback {
    pub(crate) async fn start<F>(handler: F) -> Self
    where
        F: Fn(&Received) -> Option<Vec<u8>> + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let Some(request) = read_request(&mut stream).await else {
                    continue;
                };
                log.lock().unwrap().push(request.clone());
                if let Some(answer) = handler(&request) {
                    drop(stream.write_all(&answer).await);
                    drop(stream.shutdown().await);
                }
            }
        });
        Self { address, requests }
    }

    /// An address where nobody listens.
    pub(crate) async fn closed_url() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        format!("http://{address}/")
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Received> {
        self.requests.lock().unwrap().clone()
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    let mut chunk = [0_u8; 4096];
    loop {
        let read = stream
            .read(&mut chunk)
            .await
            .ok()
            .filter(|read| *read > 0)?;
        bytes.extend(chunk.iter().take(read));
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            continue;
        };
        let (head, rest) = bytes.split_at(end);
        let head = String::from_utf8(head.to_vec()).expect("an ASCII head");
        let headers: Vec<(String, String)> = head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let length = length.map_or(0, |(_, value)| value.parse().unwrap());
        let body: Vec<u8> = rest.iter().skip(4).copied().collect();
        if body.len() < length {
            continue;
        }
        let mut first = head.lines().next()?.split(' ');
        let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
        return Some(Received {
            method,
            target,
            headers,
            body,
        });
    }
}

/// An HTTP/1.1 answer, to the byte.
pub(crate) fn http_response(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\n");
    if status != 204 {
        write!(head, "content-length: {}\r\n", body.len()).unwrap();
    }
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    head.push_str("\r\n");
    [head.as_bytes(), body].concat()
}

/// Signs as a gateway would, with another crate than ours.
pub(crate) fn peer_sign(private_key_pkcs8_pem: &str, message: &[u8]) -> String {
    let key = rsa::RsaPrivateKey::from_pkcs8_pem(private_key_pkcs8_pem).unwrap();
    STANDARD.encode(SigningKey::<Sha256>::new(key).sign(message).to_bytes())
}

/// A notification as the inbox would hand it to `translate`.
pub(crate) fn notification(gateway: GatewayName, body: &[u8]) -> Notification {
    let ids = IdSource::seeded(1, Clock::settable(DateTime::UNIX_EPOCH));
    Notification {
        id: NotificationId::new(&ids),
        channel_account_id: ChannelAccountId::new(&ids),
        gateway,
        route: CallbackRoute::Payment,
        key: "key".to_owned(),
        headers: BTreeMap::new(),
        body: body.to_vec(),
        received_at: DateTime::UNIX_EPOCH,
    }
}

/// The text at `pointer` of a vector file.
pub(crate) fn text<'a>(vectors: &'a Value, pointer: &str) -> &'a str {
    vectors
        .pointer(pointer)
        .and_then(Value::as_str)
        .expect(pointer)
}

/// The list at `pointer` of a vector file.
pub(crate) fn list<'a>(vectors: &'a Value, pointer: &str) -> &'a [Value] {
    vectors
        .pointer(pointer)
        .and_then(Value::as_array)
        .expect(pointer)
}

/// The entry of the list at `pointer` that is called `name`.
pub(crate) fn named<'a>(vectors: &'a Value, pointer: &str, name: &str) -> &'a Value {
    list(vectors, pointer)
        .iter()
        .find(|entry| entry["name"] == name)
        .expect(name)
}
