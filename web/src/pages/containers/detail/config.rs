//! The config tab: everything the server says of the container, as JSON that
//! can be searched, with the path of each value to copy.

use super::Subject;
use crate::client::http;
use crate::components::icon::icon;
use crate::components::notice::failure;
use crate::components::watch::copy;
use crate::pages::frame::Reader;
use crate::state::signal::{Edit, See};
use leptos::prelude::*;
use serde_json::Value;

/// One line of the tree.
#[derive(Debug, Clone, PartialEq)]
struct Leaf {
    depth: usize,
    path: String,
    key: String,
    /// Nothing for an object or a list with entries.
    value: Option<String>,
}

/// The document as lines, in order.
fn leaves(value: &Value, key: &str, path: &str, depth: usize, lines: &mut Vec<Leaf>) {
    let mut push = |value: Option<String>| {
        lines.push(Leaf {
            depth,
            path: path.to_owned(),
            key: key.to_owned(),
            value,
        });
    };
    match value {
        Value::Object(map) if !map.is_empty() => {
            push(None);
            for (name, value) in map {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    [path, ".", name].concat()
                };
                leaves(value, name, &path, depth + 1, lines);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            push(None);
            for (at, value) in list.iter().enumerate() {
                let name = at.to_string();
                leaves(value, &name, &[path, "[", &name, "]"].concat(), depth + 1, lines);
            }
        }
        other => push(Some(other.to_string())),
    }
}

pub fn config(subject: Subject) -> AnyView {
    let reader = Reader::<Value>::new(["/containers/", &subject.id()].concat());
    let text = RwSignal::new(String::new());
    let raw = RwSignal::new(false);
    let pretty = move || {
        reader.value.see(|value| match value {
            super::Loaded::Ready(value) => serde_json::to_string_pretty(value).unwrap_or_default(),
            super::Loaded::Loading | super::Loaded::Failed(_) => String::new(),
        })
    };
    let lines = Memo::new(move |_| {
        let wanted = text.get().to_ascii_lowercase();
        reader.value.see(|value| {
            let mut lines = Vec::new();
            if let super::Loaded::Ready(Value::Object(map)) = value {
                for (name, value) in map {
                    leaves(value, name, name, 0, &mut lines);
                }
            }
            if !wanted.is_empty() {
                // A branch stays where something below it matches, since its path begins theirs.
                let hits: Vec<String> = lines
                    .iter()
                    .filter(|leaf| {
                        leaf.path.to_ascii_lowercase().contains(&wanted)
                            || leaf
                                .value
                                .as_ref()
                                .is_some_and(|value| value.to_ascii_lowercase().contains(&wanted))
                    })
                    .map(|leaf| leaf.path.clone())
                    .collect();
                lines.retain(|leaf| hits.iter().any(|hit| hit.starts_with(&leaf.path)));
            }
            lines
        })
    });
    let tree = move || {
        lines
            .get()
            .into_iter()
            .map(|leaf| {
                let path = leaf.path.clone();
                view! {
                    <li class="json__line" style=["padding-left:", &(leaf.depth * 20).to_string(), "px"].concat()>
                        <button
                            type="button"
                            class="json__key"
                            title=["Copy path: ", &leaf.path].concat()
                            data-testid="config.path.copy"
                            on:click=move |_| copy(&path)
                        >
                            {leaf.key}
                        </button>
                        <span class="json__value">{leaf.value}</span>
                    </li>
                }
            })
            .collect_view()
    };
    let failed = move || {
        reader.value.see(|value| match value {
            super::Loaded::Failed(failure) => Some(failure.to_string()),
            super::Loaded::Loading | super::Loaded::Ready(_) => None,
        })
    };
    let address = ["/api/v1/containers/", &http::escape(&subject.id())].concat();
    view! {
        <div class="stack">
            <div class="row row--wrap">
                <div class="filter">
                    {icon("search")}
                    <input
                        class="input"
                        type="search"
                        placeholder="Search keys and values"
                        aria-label="Search the configuration"
                        data-filter="true"
                        data-testid="config.search.text"
                        on:input=move |event| text.set(event_target_value(&event))
                    />
                </div>
                <span class="grow"></span>
                <button
                    type="button"
                    class="button"
                    aria-pressed=move || raw.get().to_string()
                    data-testid="config.view.raw"
                    on:click=move |_| raw.edit(|raw| *raw = !*raw)
                >
                    {icon("code")}
                    "Raw"
                </button>
                <button type="button" class="button" data-testid="config.json.copy" on:click=move |_| copy(&pretty())>
                    {icon("copy")}
                    "Copy JSON"
                </button>
                <a class="button" href=address target="_blank" rel="external" data-testid="config.json.open">
                    {icon("external")}
                    "Open"
                </a>
            </div>
            {move || failed().map(|reason| failure("The configuration could not be read", reason, move || reader.again()))}
            <section class="card json">
                {move || {
                    if raw.get() {
                        view! { <pre class="json__raw">{pretty()}</pre> }.into_any()
                    } else {
                        view! { <ul class="json__tree">{tree()}</ul> }.into_any()
                    }
                }}
            </section>
        </div>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_a_path_to_copy() {
        let value: Value = serde_json::from_str(r#"{"ports":[{"host_port":80}],"labels":{}}"#).expect("valid");
        let mut lines = Vec::new();
        leaves(&value, "", "", 0, &mut lines);
        let paths: Vec<&str> = lines.iter().map(|leaf| leaf.path.as_str()).collect();
        assert!(
            paths.contains(&"ports[0].host_port") && paths.contains(&"labels"),
            "{paths:?}"
        );
    }
}
