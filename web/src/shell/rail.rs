//! Where one can go: the rail at the left, on a phone a bar at the bottom.

use crate::components::icon::{icon, mark};
use crate::state::App;
use crate::state::signal::{Edit, Hold};
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::components::A;

pub struct Place {
    pub word: &'static str,
    pub href: &'static str,
    pub icon: &'static str,
    /// The second letter after `g`.
    pub key: &'static str,
}

const fn place(word: &'static str, href: &'static str, icon: &'static str, key: &'static str) -> Place {
    Place { word, href, icon, key }
}

/// Every place, by group, in order.
pub const PLACES: [(&str, &[Place]); 5] = [
    (
        "Run",
        &[
            place("Overview", "/", "overview", "o"),
            place("Containers", "/containers", "container", "c"),
            place("Images", "/images", "image", "i"),
        ],
    ),
    (
        "Build",
        &[
            place("Builds", "/builds", "build", "b"),
            place("Registries", "/registries", "registry", "r"),
        ],
    ),
    (
        "Host",
        &[
            place("Volumes", "/volumes", "volume", "v"),
            place("Networks", "/networks", "network", "n"),
            place("System", "/system", "system", "s"),
        ],
    ),
    (
        "Watch",
        &[
            place("Events", "/events", "event", "e"),
            place("Tasks", "/tasks", "task", "t"),
        ],
    ),
    ("", &[place("Settings", "/settings/appearance", "settings", ",")]),
];

fn link(place: &'static Place) -> AnyView {
    let testid = ["shell.rail.", place.icon].concat();
    // The address alone decides, so that `/settings/tokens` keeps Settings marked.
    let root = place.href.split('/').nth(1).unwrap_or_default();
    let path = leptos_router::hooks::use_location().pathname;
    let current = move || (path.get().split('/').nth(1).unwrap_or_default() == root).then_some("page");
    view! {
        <li>
            <A href=place.href attr:class="rail__link" attr:title=place.word attr:data-testid=testid attr:data-current=current>
                {icon(place.icon)}
                <span class="rail__word">{place.word}</span>
            </A>
        </li>
    }
    .into_any()
}

/// The rail.
#[component]
pub fn Rail() -> impl IntoView {
    let app = App::get();
    let narrow = app.preferences.narrow_rail;
    view! {
        <nav class="rail" aria-label="Main">
            <A href="/" attr:class="rail__brand" attr:aria-label="Gantry, overview">
                {mark("rail__mark")}
                <span class="rail__word">"Gantry"</span>
            </A>
            {PLACES
                .iter()
                .map(|(group, places)| {
                    view! {
                        <div class="rail__group" class:rail__group--last=group.is_empty()>
                            <h2 class="rail__title">{*group}</h2>
                            <ul>{places.iter().map(link).collect_view()}</ul>
                        </div>
                    }
                })
                .collect_view()}
            <button
                type="button"
                class="rail__link rail__fold"
                aria-label="Collapse the navigation"
                aria-pressed=move || narrow.get().to_string()
                data-testid="shell.rail.fold"
                on:click=move |_| narrow.edit(|narrow| *narrow = !*narrow)
            >
                {icon("sidebar")}
                <span class="rail__word">"Collapse"</span>
            </button>
        </nav>
    }
}

/// The bar at the bottom of a phone.
#[component]
pub fn BottomBar() -> impl IntoView {
    let places = [&PLACES[0].1[0], &PLACES[0].1[1], &PLACES[0].1[2], &PLACES[3].1[0]];
    let app = App::get();
    let navigate = StoredValue::new_local(leptos_router::hooks::use_navigate());
    let more = move |event: web_sys::MouseEvent| {
        let items = PLACES[1..]
            .iter()
            .flat_map(|(_, places)| places.iter())
            .filter(|place| place.href != "/events")
            .map(|place| {
                crate::components::menu::Item::new(place.icon, place.word, "shell.more.place", move || {
                    navigate.hold(|go| go(place.href, NavigateOptions::default()));
                })
            })
            .collect();
        app.menus.open(&event, items);
    };
    view! {
        <nav class="bottom-bar" aria-label="Main, phone">
            <ul>
                {places.into_iter().map(link).collect_view()}
                <li>
                    <button type="button" class="rail__link" data-testid="shell.rail.more" on:click=more>
                        {icon("menu")}
                        <span class="rail__word">"More"</span>
                    </button>
                </li>
            </ul>
        </nav>
    }
}
