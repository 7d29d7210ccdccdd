//! Tokens that must not pass, each wrong in one way only.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;
use tonic::{Code, Status};

use crate::support::{Claims, SHOP, Signer, TestServer, metadata, reason};

const LIST: &str = "/payment.v1.PaymentService/ListPayments";

/// What the server says to a token; it must not be taken.
async fn refused(server: &TestServer, token: impl Into<String>) -> Status {
    let status = server
        .client()
        .await
        .with_token(token)
        .poke(LIST)
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert_eq!(reason(&status), "UNAUTHENTICATED");
    status
}

async fn problem(server: &TestServer, change: impl FnOnce(&mut Claims)) -> String {
    let mut claims = Claims::good(&server.clock, &server.shop);
    change(&mut claims);
    metadata(&refused(server, server.shop.sign(&claims)).await, "problem")
}

#[tokio::test]
async fn good_tokens_of_both_algorithms_are_taken() {
    let server = TestServer::start().await;
    let rsa = Signer::rsa(SHOP, "k2");
    let mut app = server.app(&server.shop);
    app.keys.push(rsa.key());
    server.put_app(&app).await;
    let client = server.client().await;
    assert!(client.poke(LIST).await.is_ok());
    assert!(
        client
            .with_token(server.token(&rsa))
            .poke(LIST)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn times_are_held_against_the_clock() {
    let server = TestServer::start().await;
    let now = server.clock.now().timestamp();
    assert_eq!(
        problem(&server, |claims| (claims.iat, claims.exp) = (now - 60, now)).await,
        "expired"
    );
    assert_eq!(
        problem(&server, |claims| claims.nbf = Some(now + 1)).await,
        "not_yet_valid"
    );
    assert_eq!(
        problem(&server, |claims| claims.iat = now + 1).await,
        "not_yet_valid"
    );
    assert_eq!(
        problem(&server, |claims| claims.exp = now + 3601).await,
        "lifetime_too_long"
    );
    assert_eq!(
        problem(&server, |claims| claims.exp = i64::MAX).await,
        "malformed"
    );
    let client = server.client().await;
    assert!(client.poke(LIST).await.is_ok());
    server.clock.advance(TimeDelta::seconds(300));
    let late = client.poke(LIST).await.unwrap_err();
    assert_eq!(metadata(&late, "problem"), "expired");
}

#[tokio::test]
async fn a_token_for_another_audience_or_with_two_names_is_refused() {
    let server = TestServer::start().await;
    assert_eq!(
        problem(&server, |claims| claims.aud = "other-kassa".to_owned()).await,
        "audience"
    );
    assert_eq!(
        problem(&server, |claims| claims.sub = "other".to_owned()).await,
        "malformed"
    );
}

#[tokio::test]
async fn claims_that_are_missing_are_not_forgiven() {
    let server = TestServer::start().await;
    let good = serde_json::to_value(Claims::good(&server.clock, &server.shop)).unwrap();
    for claim in ["iss", "sub", "aud", "exp", "iat"] {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(claim);
        let status = refused(&server, server.shop.sign(&claims)).await;
        assert!(
            ["malformed", "audience"].contains(&metadata(&status, "problem").as_str()),
            "{claim}"
        );
    }
}

#[tokio::test]
async fn an_unknown_app_an_unknown_key_and_a_bad_signature_are_told_apart_by_nobody() {
    let server = TestServer::start().await;
    let unknown_app = Signer::ed25519("nobody", "k1");
    let unknown_key = Signer::ed25519(SHOP, "k9");
    let forged = Signer::ed25519(SHOP, "k1");
    let mut answers = Vec::new();
    for signer in [&unknown_app, &unknown_key, &forged] {
        let status = refused(&server, server.token(signer)).await;
        answers.push((status.message().to_owned(), metadata(&status, "problem")));
    }
    assert_eq!(answers[0].1, "untrusted");
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[1], answers[2]);
}

#[tokio::test]
async fn another_apps_key_does_not_speak_for_this_app() {
    let server = TestServer::start().await;
    let claims = Claims::good(&server.clock, &server.shop);
    let status = refused(&server, server.other.sign(&claims)).await;
    assert_eq!(metadata(&status, "problem"), "untrusted");
}

#[tokio::test]
async fn the_algorithm_is_the_keys_and_never_none_or_an_hmac() {
    let server = TestServer::start().await;
    let rsa = Signer::rsa(SHOP, "rsa");
    let mut app = server.app(&server.shop);
    app.keys.push(rsa.key());
    server.put_app(&app).await;
    let claims = Claims::good(&server.clock, &server.shop);

    // No signature at all.
    let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let body = part(&serde_json::to_value(&claims).unwrap());
    for alg in ["none", "None", "NONE", ""] {
        let header = part(&json!({ "alg": alg, "typ": "JWT", "kid": "k1" }));
        for token in [format!("{header}.{body}."), format!("{header}.{body}")] {
            let status = refused(&server, token).await;
            assert_eq!(metadata(&status, "problem"), "malformed", "{alg}");
        }
    }
    // The public key, which everybody may know, as the secret of an HMAC.
    for signer in [&server.shop, &rsa] {
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let header = Header {
                kid: Some(signer.kid.clone()),
                ..Header::new(algorithm)
            };
            let secret = EncodingKey::from_secret(signer.pair.public_key_pem().as_bytes());
            let token = jsonwebtoken::encode(&header, &claims, &secret).unwrap();
            assert_eq!(
                metadata(&refused(&server, token).await, "problem"),
                "malformed"
            );
        }
    }
    // A good signature of one key under the name of the other.
    let header = Header {
        kid: Some("k1".to_owned()),
        ..rsa.header()
    };
    let status = refused(&server, rsa.sign_with(&header, &claims)).await;
    assert_eq!(metadata(&status, "problem"), "untrusted");
    // RSA with another digest or padding.
    for algorithm in [Algorithm::RS384, Algorithm::RS512, Algorithm::PS256] {
        let header = Header {
            kid: Some("rsa".to_owned()),
            ..Header::new(algorithm)
        };
        let status = refused(&server, rsa.sign_with(&header, &claims)).await;
        assert_eq!(metadata(&status, "problem"), "malformed");
    }
}

#[tokio::test]
async fn a_header_that_carries_its_own_key_or_critical_extensions_is_not_believed() {
    let server = TestServer::start().await;
    let claims = Claims::good(&server.clock, &server.shop);
    let mut critical = server.shop.header();
    critical.crit = Some(vec!["exp".to_owned()]);
    let status = refused(&server, server.shop.sign_with(&critical, &claims)).await;
    assert_eq!(metadata(&status, "problem"), "malformed");
    let mut nameless = server.shop.header();
    nameless.kid = None;
    let status = refused(&server, server.shop.sign_with(&nameless, &claims)).await;
    assert_eq!(metadata(&status, "problem"), "malformed");
}

#[tokio::test]
async fn an_altered_character_anywhere_in_a_token_makes_it_worthless() {
    let server = TestServer::start().await;
    let client = server.client().await;
    let token = server.token(&server.shop);
    for position in (0..token.len()).step_by(7) {
        let mut bytes = token.clone().into_bytes();
        bytes[position] = if bytes[position] == b'A' { b'Q' } else { b'A' };
        let altered = String::from_utf8(bytes).unwrap();
        let status = client.with_token(altered).poke(LIST).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "{position}");
    }
}

#[tokio::test]
async fn what_is_not_one_bearer_token_is_none() {
    let server = TestServer::start().await;
    let client = server.client().await;
    let token = server.token(&server.shop);
    for value in [format!("Basic {token}"), token.clone(), "Bearer".to_owned()] {
        let mut request = client.without_token().request(());
        request
            .metadata_mut()
            .insert("authorization", value.parse().unwrap());
        let status = client.send::<(), ()>(LIST, request).await.unwrap_err();
        assert_eq!(metadata(&status, "problem"), "missing", "{value}");
    }
    let mut twice = client.request(());
    twice
        .metadata_mut()
        .append("authorization", format!("Bearer {token}").parse().unwrap());
    let status = client.send::<(), ()>(LIST, twice).await.unwrap_err();
    assert_eq!(metadata(&status, "problem"), "missing");
    let long = refused(&server, "a".repeat(5000)).await;
    assert_eq!(metadata(&long, "problem"), "malformed");
}

#[tokio::test]
async fn a_disabled_app_is_refused_once_what_is_known_of_it_is_old() {
    let server = TestServer::start().await;
    let client = server.client().await;
    assert!(client.poke(LIST).await.is_ok());
    let mut app = server.app(&server.shop);
    app.is_active = false;
    app.version = 2;
    server.put_app(&app).await;
    server.clock.advance(TimeDelta::seconds(5));
    let status = client.poke(LIST).await.unwrap_err();
    assert_eq!(metadata(&status, "problem"), "app_disabled");
}

#[tokio::test]
async fn a_new_key_counts_a_second_after_and_an_old_one_no_longer_than_five() {
    let server = TestServer::start().await;
    let client = server.client().await;
    assert!(client.poke(LIST).await.is_ok());
    let new = Signer::ed25519(SHOP, "k2");
    let mut app = server.app(&server.shop);
    app.keys = vec![new.key()];
    app.version = 2;
    server.put_app(&app).await;
    server.clock.advance(TimeDelta::seconds(1));
    assert!(
        client
            .with_token(server.token(&new))
            .poke(LIST)
            .await
            .is_ok()
    );
    let status = client.poke(LIST).await.unwrap_err();
    assert_eq!(metadata(&status, "problem"), "untrusted");
}
