//! SPDX 2.3 as JSON: the specification, clauses 6 (document), 7 (packages) and 11
//! (relationships).

use super::{Package, Subject};
use serde_json::{Value, json};

const NOBODY_SAYS: &str = "NOASSERTION";

pub(super) fn document(of: &Subject<'_>) -> Value {
    let ids = (1..=of.packages.len()).map(|number| format!("SPDXRef-Package-{number}"));
    let ids: Vec<String> = ids.collect();
    let image = json!({
        "SPDXID": "SPDXRef-Image",
        "name": of.name,
        "versionInfo": of.image.id.as_str(),
        "primaryPackagePurpose": "CONTAINER",
        "downloadLocation": NOBODY_SAYS,
        "filesAnalyzed": false,
        "licenseConcluded": NOBODY_SAYS,
        "licenseDeclared": NOBODY_SAYS,
        "copyrightText": NOBODY_SAYS,
        "checksums": [{ "algorithm": "SHA256", "checksumValue": of.image.id.hex() }],
    });
    let packages = of.packages.iter().zip(&ids).map(|(package, id)| shown(package, id));
    let described = json!({
        "spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-Image",
    });
    let contained = ids.iter().map(
        |id| json!({ "spdxElementId": "SPDXRef-Image", "relationshipType": "CONTAINS", "relatedSpdxElement": id }),
    );
    json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": of.name,
        "documentNamespace": format!("urn:gantry:image:{}", of.image.id),
        "creationInfo": {
            "created": whole_seconds(&of.created.to_string()),
            "creators": [concat!("Tool: gantry-", env!("CARGO_PKG_VERSION"))],
        },
        "packages": std::iter::once(image).chain(packages).collect::<Vec<_>>(),
        "relationships": std::iter::once(described).chain(contained).collect::<Vec<_>>(),
    })
}

fn shown(package: &Package, id: &str) -> Value {
    let mut shown = json!({
        "SPDXID": id,
        "name": package.name,
        "versionInfo": package.version,
        "downloadLocation": NOBODY_SAYS,
        "filesAnalyzed": false,
        "licenseConcluded": NOBODY_SAYS,
        "licenseDeclared": NOBODY_SAYS,
        "copyrightText": NOBODY_SAYS,
        "externalRefs": [{
            "referenceCategory": "PACKAGE-MANAGER",
            "referenceType": "purl",
            "referenceLocator": package.purl(),
        }],
    });
    // What is no expression of SPDX may only stand as a remark.
    if let Some(license) = &package.license {
        shown["licenseComments"] = format!("The package declares: {license}").into();
    }
    shown
}

/// Clause 6.9 has no fractions.
fn whole_seconds(time: &str) -> String {
    match time.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => time.to_owned(),
    }
}
