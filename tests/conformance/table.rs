//! `proofs.toml`: which software proves which operation of which gateway, and how.

use std::collections::{BTreeMap, BTreeSet};

use gateways::Capabilities;
use kassa_core::channel::{GatewayName, Method};
use serde::Deserialize;

/// The product of operations that are the same for all products.
pub(crate) const EVERY_PRODUCT: &str = "every product";

/// The whole table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Table {
    software: BTreeMap<String, Software>,
    /// By gateway, product and operation.
    proof: BTreeMap<String, BTreeMap<String, BTreeMap<String, Proof>>>,
}

/// One package.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Software {
    /// Registry, name and version.
    pub(crate) package: String,
    /// The Python environment that it lives in; none for npm.
    pub(crate) python: Option<String>,
}

/// How one operation is proven: names of software, or why there are none.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Proof {
    drives: Vec<String>,
    judges: Vec<String>,
    reads: Vec<String>,
    signs: Vec<String>,
    agrees: Vec<String>,
    /// Vectors that were made by other software, which the room's own tests run.
    vectors: Option<String>,
    /// Why nobody but ourselves proves it.
    ourselves: Option<String>,
}

impl Proof {
    fn ways(&self) -> [(&'static str, &Vec<String>); 5] {
        [
            ("drives", &self.drives),
            ("judges", &self.judges),
            ("reads", &self.reads),
            ("signs", &self.signs),
            ("agrees", &self.agrees),
        ]
    }

    fn is_something(&self) -> bool {
        let has_software = self.ways().iter().any(|(_, names)| !names.is_empty());
        let has_text = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        has_software || has_text(&self.vectors) || has_text(&self.ourselves)
    }
}

/// One thing that a script proves with its software.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(crate) struct Check {
    pub(crate) product: String,
    pub(crate) operation: String,
    pub(crate) way: String,
}

impl Table {
    pub(crate) fn read() -> Self {
        toml::from_str(include_str!("proofs.toml")).expect("proofs.toml is a table of proofs")
    }

    pub(crate) fn software(&self, name: &str) -> &Software {
        self.software.get(name).expect("software of the table")
    }

    /// The software with a proof for this gateway.
    pub(crate) fn software_of(&self, gateway: GatewayName) -> BTreeSet<String> {
        let all = self.all_checks();
        let own = all.into_iter().filter(|(of, _, _)| of == gateway.as_str());
        own.map(|(_, software, _)| software).collect()
    }

    /// What this software has to prove for this gateway.
    pub(crate) fn checks_of(&self, gateway: GatewayName, software: &str) -> BTreeSet<Check> {
        let all = self.all_checks().into_iter();
        all.filter(|(of, by, _)| of == gateway.as_str() && by == software)
            .map(|(_, _, check)| check)
            .collect()
    }

    pub(crate) fn is_proven(&self, gateway: GatewayName, product: &str, operation: &str) -> bool {
        let products = self.proof.get(gateway.as_str());
        let operations = products.and_then(|products| products.get(product));
        let proof = operations.and_then(|operations| operations.get(operation));
        proof.is_some_and(Proof::is_something)
    }

    /// Every name on one side is on the other.
    pub(crate) fn assert_consistent(&self) {
        let used: BTreeSet<String> = self.all_checks().into_iter().map(|(_, by, _)| by).collect();
        let listed: BTreeSet<String> = self.software.keys().cloned().collect();
        assert_eq!(used, listed);
        for gateway in self.proof.keys() {
            gateway.parse::<GatewayName>().expect("a gateway's name");
        }
    }

    fn all_checks(&self) -> Vec<(String, String, Check)> {
        let mut all = Vec::new();
        for (gateway, products) in &self.proof {
            for (product, operations) in products {
                for (operation, proof) in operations {
                    for (way, names) in proof.ways() {
                        all.extend(names.iter().map(|name| {
                            let check = Check {
                                product: product.clone(),
                                operation: operation.clone(),
                                way: way.to_owned(),
                            };
                            (gateway.clone(), name.clone(), check)
                        }));
                    }
                }
            }
        }
        all
    }
}

/// Every product and operation that a room has.
pub(crate) fn operations(capabilities: &Capabilities) -> Vec<(&'static str, &'static str)> {
    let products = capabilities.methods.iter();
    let mut all: Vec<_> = products.map(|method| (method.product, "place")).collect();
    let of_every_product = [
        ("query", true),
        ("close", true),
        ("refund", true),
        ("query_refund", true),
        ("refund_to_merchant", capabilities.refund_to_merchant),
        ("payment_callback", true),
        ("refund_callback", capabilities.refund_callbacks),
        ("return", capabilities.signed_return),
    ];
    let at_counter = capabilities.method(Method::BarCode);
    all.extend(at_counter.map(|method| (method.product, "cancel")));
    let own = of_every_product
        .into_iter()
        .filter(|(_, is_there)| *is_there);
    all.extend(own.map(|(operation, _)| (EVERY_PRODUCT, operation)));
    all
}
