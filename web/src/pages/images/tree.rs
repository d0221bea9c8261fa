//! All images as one tree of layers: what several share is drawn once.

use super::super::frame::{Head, Reader};
use super::list::short;
use crate::client::http;
use crate::components::icon::icon;
use crate::components::notice::Empty;
use crate::format::{number, size};
use crate::state::signal::{Edit, See};
use crate::table::{KeySet, Table};
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::components::A;
use shared::layer::{Leaf, Node, Prune, Pruned, Tree};

/// The page.
#[component]
pub fn ImageTree() -> impl IntoView {
    let reader = Reader::<Tree>::new("/images/tree");
    view! {
        <div class="page">
            <Head title="Layers of all images">
                <A href="/images" attr:class="button" attr:data-testid="tree.head.list">
                    {icon("table")}
                    "List"
                </A>
            </Head>
            {reader.show("The tree could not be read", draw)}
        </div>
    }
}

fn draw(_: Reader<Tree>, tree: Tree) -> AnyView {
    if tree.nodes.is_empty() {
        return view! {
            <section class="card">
                <Empty icon="tree" text="No images yet, so there are no layers."/>
            </section>
        }
        .into_any();
    }
    let chosen = RwSignal::new(KeySet::<String>::new());
    // What they free together only the server knows: others and the build cache need some of it.
    let freed = RwSignal::new(None::<Pruned>);
    Effect::new(move || {
        let ids: Vec<String> = chosen.see(|chosen| chosen.iter().cloned().collect());
        freed.set(None);
        if ids.is_empty() {
            return;
        }
        let request = Prune {
            preview: true,
            unused: true,
            only: Some(ids.clone()),
            ..Prune::default()
        };
        spawn_local(async move {
            let answer = http::send::<_, Pruned>("POST", "/images/prune", &request).await;
            // Others may have been chosen meanwhile.
            let still = chosen
                .try_with_untracked(|chosen| chosen.len() == ids.len() && ids.iter().all(|id| chosen.contains(id)));
            if let (Ok(found), Some(true)) = (answer, still) {
                let _ = freed.try_set(Some(found));
            }
        });
    });
    let footer = move || {
        freed.see(|freed| {
            freed.as_ref().map(|found| {
                let words = [
                    "Removing ",
                    &number::plural(found.items.len(), "image"),
                    " frees ",
                    &size(found.freed_bytes),
                    ". What other images or the build cache need stays.",
                ]
                .concat();
                view! { <p class="tree__footer" role="status" data-testid="tree.footer.freed">{words}</p> }
            })
        })
    };
    view! {
        <div class="card tree" role="tree" aria-label="Layers" aria-multiselectable="true">
            {rows(&tree.nodes).into_iter().map(|(depth, at)| row(&tree.nodes[at], depth, chosen)).collect_view()}
        </div>
        {footer}
    }
    .into_any()
}

/// Every node with its depth, each below its parent.
fn rows(nodes: &[Node]) -> Vec<(usize, usize)> {
    let mut below: Table<&str, Vec<usize>> = Table::new();
    let mut roots = Vec::new();
    for (at, node) in nodes.iter().enumerate() {
        match &node.parent {
            Some(parent) => below.or_insert_with(parent, Vec::new).push(at),
            None => roots.push(at),
        }
    }
    let mut rows = Vec::with_capacity(nodes.len());
    let mut waiting: Vec<(usize, usize)> = roots.into_iter().rev().map(|at| (0, at)).collect();
    while let Some((depth, at)) = waiting.pop() {
        rows.push((depth, at));
        let children = below.get(nodes[at].id.as_str()).map(Vec::as_slice).unwrap_or_default();
        // Only where the tree divides it goes further right: most layers have one above.
        let deeper = depth + usize::from(children.len() > 1 || !nodes[at].images.is_empty());
        waiting.extend(children.iter().rev().map(|child| (deeper, *child)));
    }
    rows
}

fn row(node: &Node, depth: usize, chosen: RwSignal<KeySet<String>>) -> AnyView {
    let indent = format!("padding-left:{}px", 16 + depth * 22);
    let shared = (node.image_count > 1).then(|| {
        let words = [&node.image_count.to_string(), " images"].concat();
        view! { <span class="badge badge--accent">{words}</span> }
    });
    let freed = ["frees ", &size(node.freed_bytes), " with all above it"].concat();
    view! {
        <div class="tree__row" role="treeitem" attr:aria-level=(depth + 1).to_string() style=indent data-testid="tree.row" title=freed>
            <code class="muted tree__digest">{short(&node.id)}</code>
            <code class="grow truncate" title=node.instruction.clone()>{node.instruction.clone()}</code>
            {shared}
            <span class="nowrap tree__size">{size(node.size_bytes)}</span>
        </div>
        {node.images.iter().map(|image| leaf(image, depth + 1, chosen)).collect_view()}
    }
    .into_any()
}

fn leaf(image: &Leaf, depth: usize, chosen: RwSignal<KeySet<String>>) -> AnyView {
    let indent = format!("padding-left:{}px", 16 + depth * 22);
    let name = if image.tags.is_empty() {
        ["untagged ", &short(&image.id)].concat()
    } else {
        image.tags.join(", ")
    };
    let (id, ticked) = (StoredValue::new(image.id.clone()), image.id.clone());
    let named = name.clone();
    let users = (image.containers > 0).then(|| number::plural(image.containers as usize, "container"));
    view! {
        <div class="tree__row tree__leaf" role="treeitem" attr:aria-level=(depth + 1).to_string() style=indent data-testid="tree.leaf" data-name=named>
            <input
                type="checkbox"
                aria-label=["Count ", &name].concat()
                data-testid="tree.leaf.choose"
                prop:checked=move || chosen.see(|chosen| chosen.contains(&ticked))
                on:change=move |_| {
                    chosen.edit(|chosen| {
                        let id = id.get_value();
                        if !chosen.remove(&id) {
                            chosen.insert(id);
                        }
                    });
                }
            />
            {icon("image")}
            <A href=["/images/", &image.id].concat() attr:class="grow truncate">{name}</A>
            <span class="muted nowrap">{users}</span>
            <span class="muted nowrap tree__size">{[&size(image.freed_bytes), " unique"].concat()}</span>
        </div>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: &str, parent: Option<&str>, size_bytes: u64, images: &[&str]) -> Node {
        let leaf = |id: &&str| Leaf {
            id: (*id).to_owned(),
            tags: vec![],
            containers: 0,
            freed_bytes: 0,
        };
        Node {
            id: id.to_owned(),
            parent: parent.map(str::to_owned),
            instruction: String::new(),
            size_bytes,
            image_count: 0,
            freed_bytes: 0,
            images: images.iter().map(leaf).collect(),
        }
    }

    #[test]
    fn what_stands_side_by_side_is_further_right() {
        let nodes = [
            node("base", None, 100, &[]),
            node("one", Some("base"), 10, &["a"]),
            node("two", Some("base"), 1, &["b"]),
        ];
        assert_eq!(rows(&nodes), [(0, 0), (1, 1), (1, 2)]);
    }
}
