//! The OpenAPI document as one HTML page, without scripts because the content security
//! policy allows none.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;

const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8883;--dim:#8889;--accent:#0e7490}
body{font:15px/1.55 system-ui,sans-serif;margin:0 auto;max-width:68rem;padding:2rem 1.25rem}
code,pre{font:13px/1.5 ui-monospace,monospace}h1{margin:0 0 .25rem}h2{margin:2.5rem 0 .5rem;text-transform:capitalize}
details{border:1px solid var(--line);border-radius:8px;margin:.4rem 0;padding:.5rem .8rem}
summary{cursor:pointer;display:flex;gap:.8rem;align-items:baseline}summary span{color:var(--dim)}
b{color:var(--accent);display:inline-block;font:600 12px ui-monospace,monospace;min-width:4rem}
table{border-collapse:collapse;margin:.5rem 0;width:100%}td{border-top:1px solid var(--line);padding:.3rem .6rem .3rem 0;vertical-align:top}
a{color:var(--accent)}nav{display:flex;flex-wrap:wrap;gap:.2rem 1rem;margin:1rem 0}";
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// Operations by tag, then the schemas.
pub(super) fn render(document: &Value) -> String {
    let mut tags: BTreeMap<&str, String> = BTreeMap::new();
    for (path, methods) in entries(&document["paths"]) {
        for method in METHODS {
            let operation = &methods[method];
            if operation.is_object() {
                let tag = operation["tags"][0].as_str().unwrap_or("other");
                tags.entry(tag)
                    .or_default()
                    .push_str(&render_operation(path, method, operation));
            }
        }
    }
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Gantry API</title><style>{STYLE}</style><h1>Gantry API</h1><p>{}</p>\
         <p>Machine-readable: <a href=\"/api/v1/openapi.json\">openapi.json</a></p><nav>",
        escape(document["info"]["description"].as_str().unwrap_or_default())
    );
    for tag in tags.keys() {
        let _ = write!(page, "<a href=\"#{tag}\">{tag}</a>");
    }
    page.push_str("<a href=\"#shapes\">schemas</a></nav>");
    for (tag, operations) in &tags {
        let _ = write!(page, "<h2 id=\"{tag}\">{tag}</h2>{operations}");
    }
    page.push_str("<h2 id=\"shapes\">schemas</h2>");
    for (name, schema) in entries(&document["components"]["schemas"]) {
        page.push_str(&render_shape(name, schema));
    }
    page
}

fn render_operation(path: &str, method: &str, operation: &Value) -> String {
    let text = |name: &str| escape(operation[name].as_str().unwrap_or_default());
    let mut part = format!(
        "<details><summary><b>{}</b><code>/api/v1{}</code><span>{}</span></summary><p>{}</p><table>",
        method.to_uppercase(),
        escape(path),
        text("summary"),
        text("description")
    );
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let _ = write!(
            part,
            "<tr><td><code>{}</code><td>{}<td>{}",
            escape(parameter["name"].as_str().unwrap_or_default()),
            escape(parameter["in"].as_str().unwrap_or_default()),
            escape(parameter["description"].as_str().unwrap_or_default())
        );
    }
    for (kind, schema) in entries(&operation["requestBody"]["content"]) {
        let _ = write!(
            part,
            "<tr><td>body<td>{}<td>{}",
            escape(kind),
            kind_of(&schema["schema"])
        );
    }
    for (status, answer) in entries(&operation["responses"]) {
        // Problem responses are shared by all operations: only their names are shown.
        let shapes: Vec<String> = match answer["$ref"].as_str() {
            Some(problem) => vec![escape(problem.rsplit('/').next().unwrap_or_default())],
            None => entries(&answer["content"])
                .map(|(_, body)| kind_of(&body["schema"]))
                .collect(),
        };
        let _ = write!(part, "<tr><td>response<td>{}<td>{}", escape(status), shapes.join(", "));
    }
    part.push_str("</table></details>");
    part
}

fn render_shape(name: &str, schema: &Value) -> String {
    let mut part = format!(
        "<details id=\"shape-{0}\"><summary><code>{0}</code><span>{1}</span></summary><table>",
        escape(name),
        escape(schema["description"].as_str().unwrap_or_default())
    );
    let own = std::iter::once(schema);
    let all = schema["allOf"].as_array().into_iter().flatten();
    for piece in own.chain(all) {
        if let Some(reference) = piece["$ref"].as_str() {
            let _ = write!(part, "<tr><td>all of<td>{}<td>", link(reference));
        }
        for (field, shape) in entries(&piece["properties"]) {
            let _ = write!(
                part,
                "<tr><td><code>{}</code><td>{}<td>{}",
                escape(field),
                kind_of(shape),
                escape(shape["description"].as_str().unwrap_or_default())
            );
        }
    }
    for value in schema["enum"].as_array().into_iter().flatten() {
        let _ = write!(part, "<tr><td><code>{}</code><td><td>", escape(&value.to_string()));
    }
    for variant in schema["oneOf"].as_array().into_iter().flatten() {
        let _ = write!(part, "<tr><td>one of<td>{}<td>", kind_of(variant));
    }
    part.push_str("</table></details>");
    part
}

/// The type of a value, with links to the schemas it refers to.
fn kind_of(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        return link(reference);
    }
    for several in ["oneOf", "anyOf"] {
        if let Some(kinds) = schema[several].as_array() {
            return kinds.iter().map(kind_of).collect::<Vec<_>>().join(" or ");
        }
    }
    match &schema["type"] {
        Value::String(kind) if kind == "array" => format!("list of {}", kind_of(&schema["items"])),
        Value::String(kind) if kind == "object" && schema["properties"].is_object() => {
            let fields: Vec<&str> = entries(&schema["properties"]).map(|(name, _)| name).collect();
            escape(&format!("{{{}}}", fields.join(", ")))
        }
        Value::String(kind) => escape(kind),
        Value::Array(kinds) => {
            let kinds: Vec<&str> = kinds.iter().filter_map(Value::as_str).collect();
            escape(&kinds.join(" or "))
        }
        _ => String::new(),
    }
}

fn link(reference: &str) -> String {
    let name = escape(reference.rsplit('/').next().unwrap_or_default());
    format!("<a href=\"#shape-{name}\">{name}</a>")
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.as_str(), value))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_description_says_cannot_become_markup() {
        let page = render(&serde_json::json!({
            "info": { "description": "<script>" },
            "paths": { "/x": { "get": { "tags": ["a"], "summary": "\"><b>" } } },
        }));
        assert!(!page.contains("<script>") && !page.contains("\"><b>"));
    }
}
