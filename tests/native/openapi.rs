//! The description of the API is one that programs can rely on.

use harness::{Api, Host};
use reqwest::Method;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const METHODS: [&str; 5] = ["get", "put", "post", "patch", "delete"];

async fn document(api: &Api) -> Value {
    api.get("/openapi.json").await.expect("it is open to all")
}

fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().expect("paths");
    let all = paths
        .iter()
        .flat_map(|(path, item)| METHODS.map(|method| (path.as_str(), method, &item[method])));
    all.filter(|(.., operation)| operation.is_object()).collect()
}

/// Every value below, with where it stands.
fn walk<'v>(value: &'v Value, at: &str, seen: &mut Vec<(String, &'v Value)>) {
    seen.push((at.to_owned(), value));
    match value {
        Value::Object(fields) => {
            for (name, below) in fields {
                walk(below, &format!("{at}/{name}"), seen);
            }
        }
        Value::Array(items) => {
            for (number, below) in items.iter().enumerate() {
                walk(below, &format!("{at}/{number}"), seen);
            }
        }
        _ => {}
    }
}

#[tokio::test]
async fn the_description_of_the_api_is_valid_and_whole() {
    let host = Host::start(env!("CARGO_BIN_EXE_gantry"));
    let document = document(&host.api()).await;
    let read = oas3::from_json(document.to_string()).expect("an OpenAPI document");
    read.validate_version().expect("of version 3.1");
    let mut all = Vec::new();
    walk(&document, "", &mut all);
    for (at, value) in &all {
        if let Some(reference) = value["$ref"].as_str() {
            let pointer = reference.strip_prefix('#').expect("of this document");
            assert!(document.pointer(pointer).is_some(), "{at}: there is no {reference}");
        }
    }
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let id = operation["operationId"].as_str().expect("a name");
        assert!(ids.insert(id), "{id} twice");
        let parameters = operation["parameters"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let named: BTreeSet<&str> = parameters
            .iter()
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| parameter["name"].as_str().expect("a name"))
            .collect();
        let wanted = path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        assert_eq!(named, wanted.collect(), "{method} {path}");
        let answers = operation["responses"].as_object().expect("answers");
        assert!(
            answers.keys().any(|status| status.starts_with(['1', '2'])),
            "{method} {path}"
        );
        for (status, answer) in answers {
            let answer = match answer["$ref"].as_str() {
                Some(reference) => document.pointer(&reference[1..]).expect("it is there"),
                None => answer,
            };
            let description = answer["description"].as_str().unwrap_or_default();
            assert!(!description.is_empty(), "{method} {path} {status}");
        }
    }
    for path in ["/socket", "/metrics", "/healthz"] {
        assert!(document["paths"][path]["get"].is_object(), "{path}");
    }
    // Others would stand for several shapes of that name.
    for name in ["Details", "Change", "Line", "Spec", "Step", "File", "Options", "Format"] {
        assert!(
            document["components"]["schemas"][name].is_null(),
            "{name} says not of what"
        );
    }
}

/// What is asked of every operation, to see the statuses that come back.
fn probes(api: &Api, viewer: &Api, method: &str, path: &str) -> Vec<reqwest::RequestBuilder> {
    let method: Method = method.to_uppercase().parse().expect("a method");
    let path = path
        .split('/')
        .map(|part| if part.starts_with('{') { "0" } else { part })
        .collect::<Vec<_>>()
        .join("/");
    let ask = |who: &Api, path: &str| who.request(method.clone(), path);
    let json = |body: String| ask(api, &path).header("content-type", "application/json").body(body);
    let mut probes = vec![
        ask(&api.with_token(None), &path),
        ask(&api.with_token(Some("wrong")), &path),
        ask(viewer, &path),
        ask(api, &path),
        ask(api, &format!("{path}?bogus=1")),
        ask(
            api,
            &format!("{path}?limit=0&max=0&timeout=-2&state=bogus&format=bogus"),
        ),
        ask(api, &path).header("host", "elsewhere.example"),
        ask(api, &path).header("origin", "http://elsewhere.example"),
    ];
    if method != Method::GET {
        probes.extend([
            ask(api, &path).body("x"),
            json("{".to_owned()),
            json("{}".to_owned()),
            json("[]".to_owned()),
            json(r#"{"bogus": 1}"#.to_owned()),
            json(format!("\"{}\"", "x".repeat(5 << 20))),
        ]);
    }
    probes
}

#[tokio::test]
async fn every_status_that_is_answered_is_described() {
    let host = Host::start(env!("CARGO_BIN_EXE_gantry"));
    let api = host.api();
    let viewer = api.with_token(Some(&host.make_token("viewer")));
    let document = document(&api).await;
    let mut missing: BTreeMap<String, BTreeSet<u16>> = BTreeMap::new();
    for (path, method, operation) in operations(&document) {
        // Not below `/api/v1`.
        if matches!(path, "/metrics" | "/healthz") {
            continue;
        }
        for probe in probes(&api, &viewer, method, path) {
            // A body that is too large may be refused before it is sent.
            let Ok(answer) = probe.send().await else { continue };
            let status = answer.status().as_u16();
            if operation["responses"][status.to_string()].is_null() {
                missing.entry(format!("{method} {path}")).or_default().insert(status);
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
