//! An HTTP client that sends bytes as they are, well formed or not.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer that takes longer is none; far above what any test needs.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request, well formed.
pub(crate) fn request(
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Vec<u8> {
    let length = format!("content-length: {}\r\n", body.len());
    let length = if method == "POST" {
        length
    } else {
        String::new()
    };
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let headers = headers.concat();
    let head =
        format!("{method} {target} HTTP/1.1\r\nhost: pay.example.com\r\n{length}{headers}\r\n");
    [head.as_bytes(), body].concat()
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("an answer in UTF-8")
    }
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Client<S = TcpStream> {
    stream: S,
    received: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.expect("a connection"))
    }

    /// Whether something has come that was not read yet, without waiting for it.
    pub(crate) fn has_answer(&mut self) -> bool {
        let mut chunk = [0; 4096];
        match self.stream.try_read(&mut chunk) {
            Ok(read) => self.received.extend(&chunk[..read]),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        !self.received.is_empty()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) fn over(stream: S) -> Self {
        Self {
            stream,
            received: Vec::new(),
        }
    }

    /// Sends bytes; a server that has hung up already is not an error here.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        drop(self.stream.write_all(bytes).await);
        drop(self.stream.flush().await);
    }

    /// Ends the sending half.
    pub(crate) async fn finish_sending(&mut self) {
        drop(self.stream.shutdown().await);
    }

    /// The next answer, or `None` if the server hangs up without one.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        tokio::time::timeout(PATIENCE, self.read_answer())
            .await
            .expect("an answer in time")
    }

    /// Everything that comes until the server hangs up.
    pub(crate) async fn rest(&mut self) -> String {
        let ended = tokio::time::timeout(PATIENCE, async { while self.receive().await {} }).await;
        ended.expect("the end in time");
        String::from_utf8_lossy(&self.received).into_owned()
    }

    async fn read_answer(&mut self) -> Option<Answer> {
        let head_end = loop {
            if let Some(end) = self
                .received
                .windows(4)
                .position(|window| window == b"\r\n\r\n")
            {
                break end;
            }
            if !self.receive().await {
                return None;
            }
        };
        let head = String::from_utf8(self.received[..head_end].to_vec()).expect("a readable head");
        let mut lines = head.lines();
        let status = lines
            .next()
            .and_then(|line| line.split(' ').nth(1))
            .expect("a status line");
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let length: usize = length.map_or(0, |(_, value)| value.parse().expect("a length"));
        let body_end = head_end + 4 + length;
        while self.received.len() < body_end {
            assert!(self.receive().await, "the answer was cut off");
        }
        let rest = self.received.split_off(body_end);
        let body = std::mem::replace(&mut self.received, rest).split_off(head_end + 4);
        Some(Answer {
            status: status.parse().expect("a status"),
            headers,
            body,
        })
    }

    /// Whether more came before the end.
    async fn receive(&mut self) -> bool {
        let mut chunk = [0; 4096];
        let read = self.stream.read(&mut chunk).await.unwrap_or(0);
        self.received.extend(&chunk[..read]);
        read > 0
    }
}
