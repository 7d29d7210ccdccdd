use std::collections::BTreeSet;

use prost::Message;
use prost_types::FileDescriptorSet;

use super::scopes::RPCS;
use super::{Access, find_rpc};

/// The paths of every RPC of the API, from its descriptor set.
fn described() -> BTreeSet<String> {
    let set = FileDescriptorSet::decode(proto::FILE_DESCRIPTOR_SET).unwrap();
    let mut paths = BTreeSet::new();
    for file in set
        .file
        .iter()
        .filter(|file| file.package() == "payment.v1")
    {
        for service in &file.service {
            for method in &service.method {
                paths.insert(format!("/payment.v1.{}/{}", service.name(), method.name()));
            }
        }
    }
    paths
}

#[test]
fn every_rpc_of_the_api_needs_exactly_one_scope_and_no_other_rpc_has_one() {
    let scoped: Vec<_> = RPCS
        .iter()
        .filter(|rpc| rpc.access != Access::Open)
        .map(|rpc| rpc.path)
        .collect();
    let unique: BTreeSet<_> = scoped.iter().map(ToString::to_string).collect();
    assert_eq!(
        scoped.len(),
        unique.len(),
        "a path stands twice in the table"
    );
    assert_eq!(unique, described());
}

#[test]
fn only_health_and_reflection_are_open() {
    for rpc in RPCS.iter().filter(|rpc| rpc.access == Access::Open) {
        assert!(
            rpc.path.starts_with("/grpc.health.v1.") || rpc.path.starts_with("/grpc.reflection."),
            "{}",
            rpc.path
        );
    }
}

#[test]
fn what_writes_needs_a_write_scope_and_what_reads_does_not() {
    for path in described() {
        let Some(Access::Scoped(scope)) = find_rpc(&path).map(|rpc| rpc.access) else {
            panic!("{path} has no scope");
        };
        let method = path.rsplit('/').next().unwrap();
        let reads = ["Get", "List", "Watch", "Stream", "Explain"]
            .iter()
            .any(|verb| method.starts_with(verb));
        assert_eq!(
            scope.as_str().ends_with(":read"),
            reads,
            "{path} needs {scope}"
        );
    }
}

#[test]
fn a_path_that_only_looks_like_an_rpc_is_unknown() {
    for path in [
        "",
        "/",
        "/payment.v1.PaymentService",
        "/payment.v1.PaymentService/",
        "/payment.v1.PaymentService/CreatePayment/",
        "/payment.v1.PaymentService/createpayment",
        "//payment.v1.PaymentService/CreatePayment",
    ] {
        assert_eq!(find_rpc(path), None, "{path:?}");
    }
}
