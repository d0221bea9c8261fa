//! The layers of an image, and the files of one: what it adds, changes and deletes.

use super::list::short;
use crate::client::http::{self, escape};
use crate::components::icon::icon;
use crate::components::meter::Meter;
use crate::components::notice::{Empty, failure, note, skeleton};
use crate::format::{number, size};
use crate::pages::frame::{Loaded, Reader};
use crate::state::signal::{Edit, Peek, See};
use crate::table::{KeySet, Table};
use leptos::prelude::*;
use leptos::task::spawn_local;
use shared::image::{Details, Layer, Step};
use shared::layer::{Change, File, FileKind, Waste};
use shared::list::List;

/// Directories read so far, by path.
type Known = RwSignal<Table<String, Loaded<Vec<File>>>>;

#[derive(Clone, Copy)]
struct Explorer {
    image: StoredValue<String>,
    /// From 0.
    position: RwSignal<usize>,
    /// The result so far instead of the layer alone.
    whole: RwSignal<bool>,
    known: Known,
    open: RwSignal<KeySet<String>>,
}

impl Explorer {
    fn read(self, path: String) {
        if self.known.peek(|known| known.contains_key(&path)) {
            return;
        }
        self.known.edit(|known| {
            known.insert(path.clone(), Loaded::Loading);
        });
        let (position, whole) = (self.position.get_untracked(), self.whole.get_untracked());
        let address = [
            "/images/",
            &escape(&self.image.get_value()),
            "/layers/",
            &position.to_string(),
            "/files?path=",
            &escape(&path),
            if whole { "&whole=true" } else { "" },
        ]
        .concat();
        spawn_local(async move {
            let answer = http::get::<List<File>>(&address).await;
            // Somebody may look at another layer by now.
            let same =
                self.position.try_get_untracked() == Some(position) && self.whole.try_get_untracked() == Some(whole);
            if same {
                self.known.edit(|known| {
                    known.insert(
                        path,
                        match answer {
                            Ok(list) => Loaded::Ready(list.items),
                            Err(failure) => Loaded::Failed(failure),
                        },
                    );
                });
            }
        });
    }

    fn begin(self) {
        self.known.set(Table::new());
        self.open.set(KeySet::new());
        self.read("/".to_owned());
    }

    fn choose(self, position: usize) {
        self.position.set(position);
        self.begin();
    }
}

/// The tab.
pub fn layers(details: &Details) -> AnyView {
    let image = &details.image;
    let layers = &details.spec.layers;
    let last = layers.len().saturating_sub(1);
    let explorer = Explorer {
        image: StoredValue::new(image.id.clone()),
        position: RwSignal::new(last),
        whole: RwSignal::new(false),
        known: RwSignal::new(Table::new()),
        open: RwSignal::new(KeySet::new()),
    };
    if layers.is_empty() {
        return view! {
            <section class="card">
                <Empty icon="image" text="This image has no layers: it is empty."/>
            </section>
        }
        .into_any();
    }
    explorer.begin();
    let largest = layers.iter().map(|layer| layer.size_bytes).max().unwrap_or(1).max(1);
    let made_by: Vec<Step> = details
        .spec
        .history
        .iter()
        .filter(|step| !step.empty)
        .cloned()
        .collect();
    let list = layers
        .iter()
        .enumerate()
        .map(|(at, layer)| layer_row(at, layer, made_by.get(at), largest, explorer))
        .collect_view();
    let waste = Reader::<Waste>::new(["/images/", &escape(&image.id), "/waste"].concat());
    view! {
        {waste.show("What is wasted could not be counted", |_, waste| wasted(waste))}
        <div class="layers">
            <section class="card layers__list">
                <header class="card__head">
                    <h2>"Layers"</h2>
                    <span class="muted">{size(image.size_bytes)}</span>
                </header>
                <ol>{list}</ol>
            </section>
            <section class="card layers__files">
                <header class="card__head">
                    <h2>{move || ["Files of layer ", &(explorer.position.get() + 1).to_string()].concat()}</h2>
                    <label class="check">
                        <input
                            type="checkbox"
                            data-testid="layers.files.whole"
                            prop:checked=move || explorer.whole.get()
                            on:change=move |event| {
                                explorer.whole.set(event_target_checked(&event));
                                explorer.begin();
                            }
                        />
                        <span>"Merged result"</span>
                    </label>
                </header>
                <div class="layers__tree" role="tree" aria-label="Files">{directory(explorer, "/".to_owned(), 0)}</div>
            </section>
        </div>
    }
    .into_any()
}

fn wasted(waste: Waste) -> AnyView {
    if waste.wasted_bytes == 0 {
        return note(
            "info",
            "No layer replaces or deletes files of another: nothing is wasted.",
        );
    }
    let share = 100.0 * waste.wasted_bytes as f64 / waste.total_bytes.max(1) as f64;
    let words = [
        &size(waste.wasted_bytes),
        " (",
        &number::percent(share),
        ") belong to files that a later layer replaces or deletes",
    ]
    .concat();
    let worst = waste
        .worst
        .into_iter()
        .take(10)
        .map(|file| {
            view! {
                <tr>
                    <td><code>{file.path}</code></td>
                    <td class="num nowrap muted">{["in ", &number::plural(file.layers as usize, "layer")].concat()}</td>
                    <td class="num nowrap">{size(file.wasted_bytes)}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <details class="card layers__waste" data-testid="layers.waste">
            <summary>{icon("s-warning")} {words}</summary>
            <div class="table-scroll" tabindex="0"><table class="table"><tbody>{worst}</tbody></table></div>
        </details>
    }
    .into_any()
}

fn layer_row(at: usize, layer: &Layer, step: Option<&Step>, largest: u64, explorer: Explorer) -> AnyView {
    let share = Signal::stored(Some(layer.size_bytes as f64 / largest as f64));
    let instruction = step.map_or_else(|| short(&layer.digest), |step| step.instruction.clone());
    view! {
        <li>
            <button
                type="button"
                class="layers__row"
                aria-pressed=move || (explorer.position.get() == at).to_string()
                data-testid="layers.row"
                on:click=move |_| explorer.choose(at)
            >
                <span class="muted builds__number">{at + 1}</span>
                <span class="grow layers__words">
                    <code class="truncate" title=instruction.clone()>{instruction.clone()}</code>
                    <span class="muted">
                        {short(&layer.digest)}
                        {(layer.shared_with > 0)
                            .then(|| [", shared by ", &number::plural(layer.shared_with as usize, "other image")].concat())}
                    </span>
                </span>
                <span class="layers__bar"><Meter share label="Size, compared with the largest layer" progress=true/></span>
                <span class="nowrap layers__size">{size(layer.size_bytes)}</span>
            </button>
        </li>
    }
    .into_any()
}

/// What a directory holds, and what is open in it.
fn directory(explorer: Explorer, path: String, depth: usize) -> AnyView {
    let known = {
        let path = path.clone();
        Memo::new(move |_| explorer.known.see(|known| known.get(&path).cloned()))
    };
    (move || match known.get() {
        None | Some(Loaded::Loading) if depth == 0 => skeleton(6),
        None | Some(Loaded::Loading) => ().into_any(),
        Some(Loaded::Failed(problem)) => failure("The files could not be listed", problem.to_string(), move || {
            explorer.begin();
        }),
        Some(Loaded::Ready(files)) if files.is_empty() && depth == 0 => {
            view! { <Empty icon="filter" text="This layer changes no file."/> }.into_any()
        }
        Some(Loaded::Ready(files)) => {
            let path = path.clone();
            files
                .into_iter()
                .map(move |file| entry(explorer, &path, file, depth))
                .collect_view()
                .into_any()
        }
    })
    .into_any()
}

fn entry(explorer: Explorer, parent: &str, file: File, depth: usize) -> AnyView {
    let path = [parent.trim_end_matches('/'), "/", &file.name].concat();
    let is_dir = file.kind == FileKind::Directory && file.change != Change::Removed;
    let (mark, class) = match file.change {
        Change::Added => ("+", "layers__file layers__file--added"),
        Change::Changed => ("~", "layers__file layers__file--changed"),
        Change::Removed => ("−", "layers__file layers__file--removed"),
        Change::Unchanged => ("", "layers__file"),
    };
    let word = match file.change {
        Change::Added => "added",
        Change::Changed => "changed",
        Change::Removed => "removed",
        Change::Unchanged => "unchanged",
    };
    let indent = format!("padding-left:{}px", 12 + depth * 18);
    let opened = {
        let path = path.clone();
        Memo::new(move |_| explorer.open.see(|open| open.contains(&path)))
    };
    let target = file
        .target
        .map(|target| view! { <span class="muted">" → "{target}</span> });
    let toggle = {
        let path = path.clone();
        move |_| {
            if !is_dir {
                return;
            }
            explorer.open.edit(|open| {
                if !open.remove(&path) {
                    open.insert(path.clone());
                }
            });
            explorer.read(path.clone());
        }
    };
    let shape = move || match (is_dir, opened.get()) {
        (true, true) => icon("down"),
        (true, false) => icon("right"),
        (false, _) => view! { <span class="layers__dot"></span> }.into_any(),
    };
    view! {
        <button
            type="button"
            class=class
            role="treeitem"
            aria-expanded=move || is_dir.then(|| opened.get().to_string())
            style=indent
            title=word
            data-testid="layers.file"
            data-name=path.clone()
            on:click=toggle
        >
            {shape}
            <span class="layers__mark" aria-hidden="true">{mark}</span>
            <code class="grow truncate">{file.name} {target}</code>
            <span class="visually-hidden">{word}</span>
            <code class="muted layers__mode">{file.mode}</code>
            <span class="muted nowrap layers__size">{size(file.size_bytes)}</span>
        </button>
        {move || opened.get().then(|| directory(explorer, path.clone(), depth + 1))}
    }
    .into_any()
}
