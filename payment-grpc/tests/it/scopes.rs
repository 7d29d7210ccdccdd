//! Every RPC of the descriptor set, with every way of not being allowed to call it.

use std::collections::BTreeSet;

use kassa_core::app::Scope;
use prost::Message;
use prost_types::FileDescriptorSet;
use tonic::Code;

use crate::support::{Claims, TestServer, metadata, reason};

fn paths() -> BTreeSet<String> {
    let set = FileDescriptorSet::decode(proto::FILE_DESCRIPTOR_SET).unwrap();
    let services = set
        .file
        .iter()
        .filter(|file| file.package() == "payment.v1");
    services
        .flat_map(|file| &file.service)
        .flat_map(|service| {
            let path = |method: &str| format!("/payment.v1.{}/{method}", service.name());
            service
                .method
                .iter()
                .map(move |method| path(method.name()))
                .collect::<Vec<_>>()
        })
        .collect()
}

#[tokio::test]
async fn every_rpc_is_refused_without_a_token() {
    let server = TestServer::start().await;
    let stranger = server.client().await.without_token();
    let paths = paths();
    assert_eq!(paths.len(), 38);
    for path in paths {
        let refused = stranger.poke(&path).await.expect_err(&path);
        assert_eq!(refused.code(), Code::Unauthenticated, "{path}");
        assert_eq!(reason(&refused), "UNAUTHENTICATED", "{path}");
        assert_eq!(metadata(&refused, "problem"), "missing", "{path}");
    }
}

#[tokio::test]
async fn every_rpc_is_refused_with_all_scopes_but_its_own_and_taken_with_its_own_alone() {
    let server = TestServer::start().await;
    let client = server.client().await;
    let with_scopes = |scopes: Vec<&str>| {
        let mut claims = Claims::good(&server.clock, &server.shop);
        claims.scope = scopes.join(" ");
        client.with_token(server.shop.sign(&claims))
    };
    for path in paths() {
        let refused = with_scopes(Vec::new()).poke(&path).await.expect_err(&path);
        assert_eq!(refused.code(), Code::PermissionDenied, "{path}");
        assert_eq!(reason(&refused), "SCOPE_MISSING", "{path}");
        assert_eq!(metadata(&refused, "method"), path);
        let needed = metadata(&refused, "scope");

        let all_others = Scope::ALL
            .iter()
            .map(|scope| scope.as_str())
            .filter(|scope| *scope != needed);
        let refused = with_scopes(all_others.collect())
            .poke(&path)
            .await
            .expect_err(&path);
        assert_eq!(refused.code(), Code::PermissionDenied, "{path}");

        // A stream that begins does not end by itself: that it began is enough.
        if path.ends_with("/StreamEvents") {
            continue;
        }
        if let Err(taken) = with_scopes(vec![&needed]).poke(&path).await {
            let code = taken.code();
            assert!(
                code != Code::PermissionDenied && code != Code::Unauthenticated,
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn a_token_grants_nothing_that_the_app_itself_may_not_do() {
    let server = TestServer::start().await;
    let mut app = server.app(&server.shop);
    app.scopes = BTreeSet::from([Scope::PaymentsRead]);
    app.version = 2;
    server.put_app(&app).await;
    let client = server.client().await;
    let list = "/payment.v1.PaymentService/ListPayments";
    assert!(client.poke(list).await.is_ok());
    let refused = client
        .poke("/payment.v1.RefundService/ListRefunds")
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert_eq!(metadata(&refused, "scope"), "refunds:read");
}

#[tokio::test]
async fn a_method_that_does_not_exist_is_refused_with_and_without_a_token() {
    let server = TestServer::start().await;
    let client = server.client().await;
    for path in [
        "/payment.v1.PaymentService/DeleteEverything",
        "/other.v1.Service/Method",
    ] {
        let refused = client.without_token().poke(path).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated, "{path}");
        let refused = client.poke(path).await.unwrap_err();
        assert_eq!(
            (refused.code(), reason(&refused).as_str()),
            (Code::PermissionDenied, "SCOPE_MISSING")
        );
    }
}
