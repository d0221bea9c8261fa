//! Breadcrumb, search, connection, tasks, theme and the user's menu.

use super::Layers;
use crate::client::http::unescape;
use crate::client::socket;
use crate::components::icon::icon;
use crate::components::menu::Item;
use crate::format::{number, time};
use crate::state::App;
use crate::state::connection::Link;
use crate::state::signal::{Edit, Hold, See};
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::NavigateOptions;
use leptos_router::components::A;
use leptos_router::hooks::{use_location, use_navigate};

/// The parts of the address as words with links.
fn crumbs(path: &str, app: App) -> Vec<(String, String)> {
    let mut address = String::new();
    let mut crumbs = Vec::new();
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    for (at, part) in parts.iter().enumerate() {
        address.push('/');
        address.push_str(part);
        let name = app
            .containers
            .items
            .see(|items| items.get(*part).map(|item| item.name.clone()));
        let word = match name {
            Some(name) => name,
            None if is_page(&parts, at) => capital(part),
            None => short(&unescape(part)),
        };
        crumbs.push((word, address.clone()));
    }
    if crumbs.is_empty() {
        crumbs.push(("Overview".to_owned(), "/".to_owned()));
    }
    crumbs
}

/// Whether a part of the address names a page or a tab. All others are the names of
/// things, which are shown as they are.
fn is_page(parts: &[&str], at: usize) -> bool {
    match at {
        1 => matches!(
            (parts[0], parts[1]),
            ("containers" | "builds", "new") | ("images", "pull" | "tree" | "prune") | ("settings" | "account", _)
        ),
        _ => true,
    }
}

fn capital(part: &str) -> String {
    let mut letters = part.chars();
    let first = letters.next().map(|c| c.to_ascii_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

/// A name, or the digits an id is known by.
fn short(part: &str) -> String {
    if let Some(digest) = part.strip_prefix("sha256:") {
        return digest.chars().take(12).collect();
    }
    if part.len() == 64 && part.bytes().all(|b| b.is_ascii_hexdigit()) {
        return part[..12].to_owned();
    }
    // The number of a build or a task.
    if part.len() == 36 && part.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-') {
        return part[28..].to_owned();
    }
    part.to_owned()
}

/// The bar at the top.
#[component]
pub fn TopBar(
    /// What it opens.
    layers: Layers,
) -> impl IntoView {
    let app = App::get();
    let path = use_location().pathname;
    let navigate = StoredValue::new_local(use_navigate());
    let running = move || app.tasks.running();
    let user_menu = move |event: web_sys::MouseEvent| {
        let go = move |place: &'static str| move || navigate.hold(|go| go(place, NavigateOptions::default()));
        app.menus.open(
            &event,
            vec![
                Item::new("user", "Account", "shell.user.account", go("/account")),
                Item::new(
                    "settings",
                    "Appearance",
                    "shell.user.appearance",
                    go("/settings/appearance"),
                ),
                Item::new("info", "Keyboard", "shell.user.keys", move || layers.keys.set(true)),
                Item::new("sign-out", "Sign out", "shell.user.sign-out", move || {
                    spawn_local(app.session.sign_out());
                }),
            ],
        );
    };
    let trail = move || {
        let crumbs = crumbs(&path.get(), app);
        let last = crumbs.len() - 1;
        crumbs
            .into_iter()
            .enumerate()
            .map(|(at, (word, href))| {
                let here = at == last;
                view! {
                    <li class="crumbs__part">
                        {(at > 0).then(|| icon("right"))}
                        {if here {
                            view! { <span class="truncate" aria-current="page">{word}</span> }.into_any()
                        } else {
                            view! { <A href=href attr:class="truncate">{word}</A> }.into_any()
                        }}
                    </li>
                }
            })
            .collect_view()
    };
    view! {
        <header class="top-bar">
            <nav class="crumbs" aria-label="Breadcrumb">
                <ol>{trail}</ol>
            </nav>
            <button
                type="button"
                class="top-bar__search"
                aria-label="Search or run"
                data-testid="shell.search.open"
                on:click=move |_| layers.palette.set(true)
            >
                {icon("search")}
                <span>"Search or run"</span>
                <kbd aria-hidden="true" data-keys="Ctrl K"></kbd>
            </button>
            <ConnectionDot/>
            <button
                type="button"
                class="button button--quiet button--icon top-bar__tasks"
                aria-label=move || number::plural(running(), "running task")
                title="Tasks"
                aria-expanded=move || app.tasks.open.get().to_string()
                data-testid="shell.tasks.open"
                on:click=move |_| app.tasks.open.edit(|open| *open = !*open)
            >
                {icon("task")}
                {move || (running() > 0).then(|| view! { <span class="top-bar__count">{running()}</span> })}
            </button>
            <button
                type="button"
                class="button button--quiet button--icon"
                aria-label="Change between light and dark"
                title="Light or dark"
                data-testid="shell.theme.flip"
                on:click=move |_| app.preferences.flip()
            >
                {move || icon(if app.preferences.is_dark() { "sun" } else { "moon" })}
            </button>
            <button
                type="button"
                class="top-bar__user"
                aria-haspopup="menu"
                aria-label=move || ["Account of ", &app.session.me().map(|me| me.username).unwrap_or_default()].concat()
                data-testid="shell.user.menu"
                on:click=user_menu
            >
                <span
                    class="top-bar__initial"
                    aria-hidden="true"
                    data-initial=move || {
                        app.session.me().and_then(|me| me.username.chars().next()).map(|c| c.to_ascii_uppercase().to_string())
                    }
                ></span>
                <span class="top-bar__name">{move || app.session.me().map(|me| me.username)}</span>
            </button>
        </header>
        <OfflineBanner/>
    }
}

/// The dot, and words when something is wrong.
#[component]
fn ConnectionDot() -> impl IntoView {
    let app = App::get();
    let word = move || app.connection.word(app.now.get());
    view! {
        <span class=move || ["conn conn--", word()].concat() role="status" aria-live="assertive" data-testid="shell.connection.state">
            <span class="conn__dot" title=move || match word() {
                "open" => "Connected: what you see is live",
                "stale" => "Connected, but the server does not answer: what you see may be old",
                _ => "Not connected",
            }></span>
            {move || match word() {
                "stale" => "Not answering",
                "retrying" => "Reconnecting",
                "offline" => "Offline",
                _ => "",
            }}
        </span>
    }
}

/// Said below the top bar after ten seconds without a connection.
#[component]
fn OfflineBanner() -> impl IntoView {
    let app = App::get();
    let since = move || match app.connection.link.get() {
        Link::Cut(since) if app.now.get() - since > 10_000.0 => Some(since),
        _ => None,
    };
    view! {
        {move || {
            since()
                .map(|since| {
                    view! {
                        <div class="offline" role="alert">
                            {icon("offline")}
                            <span>"Offline since " {time::clock(since)} ". What you see is from then."</span>
                            <button
                                type="button"
                                class="button button--small"
                                data-testid="shell.connection.retry"
                                on:click=move |_| socket::retry_now()
                            >
                                "Retry now"
                            </button>
                        </div>
                    }
                })
        }}
    }
}

#[cfg(test)]
mod tests {
    use super::{capital, is_page, short};

    #[test]
    fn pages_are_capitalised_and_names_are_not() {
        let word = |path: &str, at: usize| {
            let parts: Vec<&str> = path.split('/').collect();
            if is_page(&parts, at) {
                capital(parts[at])
            } else {
                short(parts[at])
            }
        };
        assert_eq!(word("containers/web/logs", 0), "Containers");
        assert_eq!(word("containers/web/logs", 1), "web");
        assert_eq!(word("containers/web/logs", 2), "Logs");
        assert_eq!(word("containers/logs", 1), "logs");
        assert_eq!(word("containers/new", 1), "New");
        assert_eq!(word("settings/tokens", 1), "Tokens");
        assert_eq!(word("images/nginx:1.27", 1), "nginx:1.27");
    }
}
