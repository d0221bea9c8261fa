//! The palette: every place and every container by name, a few letters away.

use super::Layers;
use super::rail::PLACES;
use crate::components::icon::icon;
use crate::format::order::sort;
use crate::state::App;
use crate::state::actions::{Action, take};
use crate::state::signal::{Edit, Hold, Peek, See};
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_location, use_navigate};
use shared::session::Role;

/// How many matches are shown.
const SHOWN: usize = 12;

#[derive(Clone, PartialEq)]
enum Deed {
    Go(String),
    Act(Action, String),
    Theme,
}

#[derive(Clone, PartialEq)]
struct Entry {
    icon: &'static str,
    title: String,
    note: String,
    deed: Deed,
}

fn entry(icon: &'static str, title: impl Into<String>, note: &str, deed: Deed) -> Entry {
    Entry {
        icon,
        title: title.into(),
        note: note.to_owned(),
        deed,
    }
}

/// How well `text` holds the letters of `wanted` in order: lower is better,
/// `None` not at all. Both are lower case.
fn distance(text: &str, wanted: &str) -> Option<usize> {
    if let Some(at) = text.find(wanted) {
        return Some(at);
    }
    let mut rest = text.char_indices();
    let mut cost = 100;
    let mut last = 0;
    for letter in wanted.chars().filter(|c| !c.is_whitespace()) {
        let (at, _) = rest.find(|(_, c)| *c == letter)?;
        cost += at - last;
        last = at;
    }
    Some(cost)
}

/// Everything that can be gone to or done from here.
fn entries(app: App, path: &str) -> Vec<Entry> {
    let mut all = Vec::new();
    let current = path
        .strip_prefix("/containers/")
        .and_then(|rest| rest.split('/').next());
    let may = app.session.may(Role::Operator);
    app.containers.items.peek(|items| {
        if let Some(item) = current.and_then(|id| items.get(id)) {
            for (tab, word, shape) in [
                ("logs", "Logs", "logs"),
                ("console", "Console", "terminal"),
                ("stats", "Stats", "chart"),
                ("limits", "Limits", "limit"),
            ] {
                let href = ["/containers/", &item.id, "/", tab].concat();
                all.push(entry(
                    shape,
                    [word, " of ", &item.name].concat(),
                    "this container",
                    Deed::Go(href),
                ));
            }
            if may {
                for action in [
                    Action::Start,
                    Action::Stop,
                    Action::Restart,
                    Action::Pause,
                    Action::Remove,
                ] {
                    if action.fits(item.state.status) {
                        let title = [action.label(), " ", &item.name].concat();
                        all.push(entry(
                            action.icon(),
                            title,
                            "this container",
                            Deed::Act(action, item.id.clone()),
                        ));
                    }
                }
            }
        }
    });
    for place in PLACES.iter().flat_map(|(_, places)| places.iter()) {
        all.push(entry(place.icon, place.word, "page", Deed::Go(place.href.to_owned())));
    }
    if may {
        all.push(entry(
            "plus",
            "New container",
            "action",
            Deed::Go("/containers/new".to_owned()),
        ));
        all.push(entry(
            "pull",
            "Pull image",
            "action",
            Deed::Go("/images/pull".to_owned()),
        ));
    }
    for (word, href) in [
        ("Appearance", "/settings/appearance"),
        ("API tokens", "/settings/tokens"),
        ("Users", "/settings/users"),
        ("Account", "/account"),
    ] {
        all.push(entry("settings", word, "setting", Deed::Go(href.to_owned())));
    }
    all.push(entry("moon", "Change between light and dark", "action", Deed::Theme));
    app.containers.items.peek(|items| {
        for item in items.values() {
            let href = ["/containers/", &item.id].concat();
            all.push(entry("container", item.name.clone(), &item.image, Deed::Go(href)));
        }
    });
    all
}

/// The palette over the page.
#[component]
pub fn Palette(
    /// Whether it is open.
    layers: Layers,
) -> impl IntoView {
    let app = App::get();
    let text = RwSignal::new(String::new());
    let chosen = RwSignal::new(0usize);
    let path = use_location().pathname;
    let navigate = StoredValue::new_local(use_navigate());
    let node = NodeRef::<leptos::html::Dialog>::new();
    Effect::new(move || {
        let Some(dialog) = node.get() else { return };
        if layers.palette.get() {
            text.set(String::new());
            chosen.set(0);
            if !dialog.open() {
                let _ = dialog.show_modal();
            }
        } else if dialog.open() {
            dialog.close();
        }
    });
    let all = Memo::new(move |_| {
        if layers.palette.get() {
            entries(app, &path.get_untracked())
        } else {
            Vec::new()
        }
    });
    let matches = Memo::new(move |_| {
        let wanted = text.get().trim().to_ascii_lowercase();
        all.see(|all| {
            let mut found: Vec<(usize, &Entry)> = all
                .iter()
                .filter_map(|entry| Some((distance(&entry.title.to_ascii_lowercase(), &wanted)?, entry)))
                .collect();
            sort(&mut found, &mut |a, b| {
                (a.0, a.1.title.len()).cmp(&(b.0, b.1.title.len()))
            });
            found
                .into_iter()
                .take(SHOWN)
                .map(|(_, entry)| entry.clone())
                .collect::<Vec<_>>()
        })
    });
    let run = move |entry: Entry| {
        layers.palette.set(false);
        match entry.deed {
            Deed::Go(href) => navigate.hold(|go| go(&href, NavigateOptions::default())),
            Deed::Theme => app.preferences.flip(),
            Deed::Act(action, id) => {
                let item = app.containers.items.peek(|items| items.get(&id).cloned());
                if let Some(item) = item {
                    take(app, action, &item, || ());
                }
            }
        }
    };
    let key = move |event: web_sys::KeyboardEvent| {
        let count = matches.peek(Vec::len).max(1);
        match event.key().as_str() {
            "ArrowDown" => chosen.edit(|at| *at = (*at + 1) % count),
            "ArrowUp" => chosen.edit(|at| *at = (*at + count - 1) % count),
            "Enter" => {
                if let Some(entry) = matches.get_untracked().get(chosen.get_untracked()).cloned() {
                    run(entry);
                }
            }
            _ => return,
        }
        event.prevent_default();
    };
    view! {
        <dialog
            class="dialog palette"
            aria-label="Search or run"
            node_ref=node
            on:close=move |_| layers.palette.set(false)
            on:click=move |event| {
                if let Some(dialog) = node.get_untracked()
                    && event.target().as_deref() == Some(dialog.as_ref())
                {
                    layers.palette.set(false);
                }
            }
        >
            <div class="palette__panel">
                <div class="palette__field">
                    {icon("search")}
                    <input
                        type="text"
                        role="combobox"
                        aria-expanded="true"
                        aria-controls="palette-list"
                        aria-activedescendant=move || format!("palette-{}", chosen.get())
                        aria-label="Search or run"
                        placeholder="A container, a page or an action"
                        autofocus
                        autocomplete="off"
                        data-testid="palette.search.text"
                        prop:value=move || text.get()
                        on:input=move |event| {
                            text.set(event_target_value(&event));
                            chosen.set(0);
                        }
                        on:keydown=key
                    />
                    <kbd>"Esc"</kbd>
                </div>
                <ul class="palette__list" id="palette-list" role="listbox">
                    {move || {
                        matches
                            .get()
                            .into_iter()
                            .enumerate()
                            .map(|(at, entry)| {
                                let shown = entry.clone();
                                view! {
                                    <li
                                        role="option"
                                        id=format!("palette-{at}")
                                        class="palette__entry"
                                        aria-selected=move || (chosen.get() == at).to_string()
                                        data-testid="palette.list.entry"
                                        on:pointermove=move |_| chosen.set(at)
                                        on:click=move |_| run(entry.clone())
                                    >
                                        {icon(shown.icon)}
                                        <span class="grow truncate">{shown.title}</span>
                                        <span class="muted truncate">{shown.note}</span>
                                    </li>
                                }
                            })
                            .collect_view()
                    }}
                    {move || {
                        matches
                            .see(Vec::is_empty)
                            .then(|| view! { <li class="palette__none">"Nothing has this name."</li> })
                    }}
                </ul>
            </div>
        </dialog>
    }
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn letters_in_order_are_a_match_and_a_word_is_a_better_one() {
        assert_eq!(distance("containers", "con"), Some(0));
        assert!(distance("containers", "ctr").is_some());
        assert!(distance("containers", "ctr") > distance("containers", "tain"));
        assert_eq!(distance("containers", "xyz"), None);
    }
}
