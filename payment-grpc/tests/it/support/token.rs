//! Tokens, good and bad.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use kassa_core::Clock;
use kassa_core::app::{AppKey, KeyAlgorithm, Scope};
use kassa_core::text::AppId;
use rcgen::{KeyPair, PKCS_ED25519, PKCS_RSA_SHA256};
use serde::Serialize;

/// An app's private key.
pub(crate) struct Signer {
    pub(crate) app: AppId,
    pub(crate) kid: String,
    pub(crate) algorithm: KeyAlgorithm,
    pub(crate) pair: KeyPair,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Claims {
    pub(crate) iss: String,
    pub(crate) sub: String,
    pub(crate) aud: String,
    pub(crate) exp: i64,
    pub(crate) iat: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) nbf: Option<i64>,
    pub(crate) scope: String,
}

impl Claims {
    /// Every scope, five minutes.
    pub(crate) fn good(clock: &Clock, signer: &Signer) -> Self {
        let now = clock.now().timestamp();
        let scopes: Vec<_> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
        Self {
            iss: signer.app.to_string(),
            sub: signer.app.to_string(),
            aud: "kassa".to_owned(),
            exp: now + 300,
            iat: now,
            nbf: None,
            scope: scopes.join(" "),
        }
    }
}

impl Signer {
    pub(crate) fn ed25519(app: &str, kid: &str) -> Self {
        Self::new(
            app,
            kid,
            KeyAlgorithm::EdDsa,
            KeyPair::generate_for(&PKCS_ED25519).unwrap(),
        )
    }

    pub(crate) fn rsa(app: &str, kid: &str) -> Self {
        Self::new(
            app,
            kid,
            KeyAlgorithm::Rs256,
            KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap(),
        )
    }

    fn new(app: &str, kid: &str, algorithm: KeyAlgorithm, pair: KeyPair) -> Self {
        Self {
            app: AppId::try_new(app).unwrap(),
            kid: kid.to_owned(),
            algorithm,
            pair,
        }
    }

    pub(crate) fn key(&self) -> AppKey {
        AppKey {
            kid: self.kid.clone(),
            algorithm: self.algorithm,
            public_key_pem: self.pair.public_key_pem(),
        }
    }

    pub(crate) fn header(&self) -> Header {
        let mut header = Header::new(match self.algorithm {
            KeyAlgorithm::EdDsa => Algorithm::EdDSA,
            KeyAlgorithm::Rs256 => Algorithm::RS256,
        });
        header.kid = Some(self.kid.clone());
        header
    }

    pub(crate) fn sign(&self, claims: &impl Serialize) -> String {
        self.sign_with(&self.header(), claims)
    }

    pub(crate) fn sign_with(&self, header: &Header, claims: &impl Serialize) -> String {
        let pem = self.pair.serialize_pem();
        let key = match self.algorithm {
            KeyAlgorithm::EdDsa => EncodingKey::from_ed_pem(pem.as_bytes()).unwrap(),
            KeyAlgorithm::Rs256 => EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap(),
        };
        jsonwebtoken::encode(header, claims, &key).unwrap()
    }
}
