//! One-time codes as an app gets them: encrypted to its key, opened by other people's cryptography.

use std::sync::OnceLock;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kassa_core::app::App;
use kassa_core::payment_config::{CodeKey, PaymentConfig};
use proto::v1;
use rsa::RsaPrivateKey;
use rsa::pkcs8::{EncodePublicKey, LineEnding};
use serde_json::Value;

use crate::TestApp;
use crate::event::cloud_event;

/// The name of the shop's key.
const KID: &str = "codes-1";

fn private_key() -> &'static RsaPrivateKey {
    static KEY: OnceLock<RsaPrivateKey> = OnceLock::new();
    KEY.get_or_init(|| RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).expect("a key"))
}

/// Gives the shop a key for codes, and what else `change` says. Before its first call: apps are kept in
/// memory for a while.
pub async fn allow(app: &TestApp, change: impl FnOnce(&mut PaymentConfig)) -> App {
    let store = &app.kassa().store;
    let shop = store.find_app(&app.shop.app).await.expect("the store");
    let mut shop = shop.expect("the shop");
    let config = &mut shop.policies.payment_config;
    let public = private_key().to_public_key();
    config.password.code_key = Some(CodeKey {
        kid: KID.to_owned(),
        public_key_pem: public.to_public_key_pem(LineEnding::LF).expect("a PEM"),
    });
    change(config);
    let tx = store.begin().await.expect("the store");
    tx.upsert_app_in_tx(&shop).await.expect("the app");
    tx.commit().await.expect("the store");
    shop
}

/// The code that was made last, as the event told it to the shop.
pub async fn last(app: &TestApp, user_id: &str) -> String {
    app.run_until_idle().await;
    let events = app.events().await;
    let told = events
        .iter()
        .filter(|event| event.r#type == "kassa.password.code_requested.v1")
        .filter_map(|event| cloud_event(event).pointer("/data/password_code").cloned())
        .filter_map(|code| serde_json::from_value::<v1::PasswordCode>(code).ok())
        .rfind(|code| code.user_id == user_id);
    let told = told.expect("a code was told");
    let content = open(&told.code_jwe);
    assert_eq!(content.get("user_id"), Some(&Value::from(user_id)));
    let code = content.get("code").and_then(Value::as_str);
    code.expect("a code").to_owned()
}

fn open(jwe: &str) -> Value {
    let parts: Vec<&str> = jwe.split('.').collect();
    let [header, wrapped, nonce, text, tag] = parts.as_slice() else {
        unreachable!("a JWE has five parts");
    };
    let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).expect("base64url");
    let content_key = private_key()
        .decrypt(rsa::Oaep::new::<sha2::Sha256>(), &bytes(wrapped))
        .expect("it is encrypted to this key");
    let msg = [bytes(text), bytes(tag)].concat();
    let payload = Payload {
        msg: &msg,
        aad: header.as_bytes(),
    };
    let content = aes_gcm::Aes256Gcm::new_from_slice(&content_key)
        .expect("a key of 32 bytes")
        .decrypt(aes_gcm::Nonce::from_slice(&bytes(nonce)), payload)
        .expect("it was not changed");
    serde_json::from_slice(&content).expect("JSON")
}
