//! TLS and mTLS, with authorities of the test's own.

use kassa_core::Secret;
use payment_grpc::{ServerOptions, TlsIdentity};
use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair};
use tonic::transport::{Certificate as Pem, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::support::{Caller, TestServer, options};

const LIST: &str = "/payment.v1.PaymentService/ListPayments";

/// An authority and what it signs.
struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self {
            certificate,
            issuer: Issuer::new(params, key),
        }
    }

    /// Certificate and key for a name, in PEM.
    fn sign(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (
            params.signed_by(&key, &self.issuer).unwrap().pem(),
            key.serialize_pem(),
        )
    }
}

async fn server(authority: &Authority, clients: Option<&Authority>) -> TestServer {
    let (certificates, key) = authority.sign("localhost");
    let tls = TlsIdentity {
        certificates,
        key: Secret::new(key),
        client_authorities: clients.map(|clients| clients.certificate.pem()),
    };
    TestServer::start_with(ServerOptions {
        tls: Some(tls),
        ..options()
    })
    .await
}

fn endpoint(server: &TestServer, authority: &Authority, own: Option<(String, String)>) -> Endpoint {
    let mut tls = ClientTlsConfig::new()
        .ca_certificate(Pem::from_pem(authority.certificate.pem()))
        .domain_name("localhost");
    if let Some((certificate, key)) = own {
        tls = tls.identity(Identity::from_pem(certificate, key));
    }
    let url = format!("https://localhost:{}", server.address.port());
    Channel::from_shared(url).unwrap().tls_config(tls).unwrap()
}

async fn works(server: &TestServer, endpoint: Endpoint) -> bool {
    let Ok(channel) = endpoint.connect().await else {
        return false;
    };
    let token = Some(server.token(&server.shop));
    Caller { channel, token }.poke(LIST).await.is_ok()
}

#[tokio::test]
async fn under_tls_only_those_who_trust_the_authority_talk_and_plain_text_is_refused() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let server = server(&authority, None).await;
    assert!(works(&server, endpoint(&server, &authority, None)).await);
    assert!(!works(&server, endpoint(&server, &stranger, None)).await);
    let plain = Endpoint::from_shared(format!("http://{}", server.address)).unwrap();
    assert!(!works(&server, plain).await);
}

#[tokio::test]
async fn under_mtls_a_caller_shows_a_certificate_of_the_right_authority() {
    let (authority, clients, strangers) = (Authority::new(), Authority::new(), Authority::new());
    let server = server(&authority, Some(&clients)).await;
    let own = Some(clients.sign("shop"));
    assert!(works(&server, endpoint(&server, &authority, own)).await);
    assert!(!works(&server, endpoint(&server, &authority, None)).await);
    let forged = Some(strangers.sign("shop"));
    assert!(!works(&server, endpoint(&server, &authority, forged)).await);
}
