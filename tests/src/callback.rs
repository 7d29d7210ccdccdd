//! Callbacks posted by hand: what a gateway sent, sent again or changed on its way.

use reqwest::Client;
use sandbox::RecordedCallback;

/// One HTTP request to the ingress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// Where to.
    pub url: String,
    /// Headers.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What the ingress answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: String,
}

impl Answered {
    /// Whether a gateway takes it for an acknowledgement: Alipay wants 200 and `success`, WeChat
    /// Pay any 200 or 204.
    pub fn is_acknowledgement(&self) -> bool {
        match self.status {
            200 => self.body == "success" || self.body.is_empty(),
            204 => true,
            _ => false,
        }
    }
}

impl From<&RecordedCallback> for Post {
    fn from(recorded: &RecordedCallback) -> Self {
        let headers = recorded.headers.iter();
        Self {
            url: recorded.url.clone(),
            headers: headers
                .map(|(name, value)| (name.clone(), value.clone().into_bytes()))
                .collect(),
            body: recorded.body.clone().into_bytes(),
        }
    }
}

impl Post {
    /// With one bit of the body's byte at `position` changed.
    #[must_use]
    pub fn with_altered_body(&self, position: usize) -> Self {
        let mut altered = self.clone();
        *altered
            .body
            .get_mut(position)
            .expect("a position in the body") ^= 1;
        altered
    }

    /// With one bit of the byte at `position` of the header `name` changed.
    #[must_use]
    pub fn with_altered_header(&self, name: &str, position: usize) -> Self {
        let mut altered = self.clone();
        let header = altered
            .headers
            .iter_mut()
            .find(|(found, _)| found.eq_ignore_ascii_case(name));
        let (_, value) = header.expect("the header");
        *value.get_mut(position).expect("a position in the header") ^= 1;
        altered
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> &[u8] {
        let header = self
            .headers
            .iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name));
        header
            .map(|(_, value)| value.as_slice())
            .expect("the header")
    }

    /// Sends it to another ingress: another process of the same installation.
    #[must_use]
    pub fn sent_to(&self, ingress: std::net::SocketAddr) -> Self {
        let path = self.url.splitn(4, '/').nth(3).expect("a path");
        Self {
            url: format!("http://{ingress}/{path}"),
            ..self.clone()
        }
    }

    /// Sends it.
    pub async fn send(&self, http: &Client) -> Answered {
        let mut request = http.post(&self.url).body(self.body.clone());
        for (name, value) in &self.headers {
            request = request.header(name, value.as_slice());
        }
        let response = request.send().await.expect("an answer of the ingress");
        let status = response.status().as_u16();
        let body = response.text().await.expect("the answer's body");
        Answered { status, body }
    }
}
