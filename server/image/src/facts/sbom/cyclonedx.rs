//! CycloneDX 1.5 as JSON.

use super::{Package, Subject};
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub(super) fn document(of: &Subject<'_>) -> Value {
    // References within the document must differ; the same package may lie in two places.
    let mut used = BTreeSet::new();
    let components: Vec<Value> = of.packages.iter().map(|package| shown(package, &mut used)).collect();
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "serialNumber": format!("urn:uuid:{}", uuid_of(of.image.id.hex())),
        "metadata": {
            "timestamp": of.created.to_string(),
            "tools": { "components": [{ "type": "application", "name": "gantry", "version": env!("CARGO_PKG_VERSION") }] },
            "component": {
                "type": "container",
                "bom-ref": of.image.id.as_str(),
                "name": of.name,
                "version": of.image.id.as_str(),
                "hashes": [{ "alg": "SHA-256", "content": of.image.id.hex() }],
            },
        },
        "components": components,
    })
}

fn shown(package: &Package, used: &mut BTreeSet<String>) -> Value {
    let purl = package.purl();
    let mut reference = purl.clone();
    while !used.insert(reference.clone()) {
        reference.push('#');
    }
    let mut shown = json!({
        "type": "library",
        "bom-ref": reference,
        "name": package.name,
        "version": package.version,
        "purl": purl,
    });
    if let Some(license) = &package.license {
        shown["licenses"] = json!([{ "license": { "name": license } }]);
    }
    shown
}

/// The same for the same image: RFC 9562, section 5.8, "UUID Version 8".
fn uuid_of(hex: &str) -> String {
    let (one, two, three, four, five) = (&hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32]);
    format!("{one}-{two}-8{three}-8{four}-{five}")
}
