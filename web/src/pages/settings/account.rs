//! The own account: password and the browsers that are signed in.

use super::{line, role_words};
use crate::client::http;
use crate::components::icon::icon;
use crate::components::notice::note;
use crate::format::time;
use crate::pages::frame::{Head, Reader};
use crate::state::App;
use leptos::prelude::*;
use leptos::task::spawn_local;
use shared::list::List;
use shared::session::{PasswordChange, Session};

/// The page.
#[component]
pub fn Account() -> impl IntoView {
    let app = App::get();
    let reader = Reader::<List<Session>>::new("/sessions");
    let role = move || {
        app.session.me().map(|me| {
            let (word, may) = role_words(me.role);
            [word, ": ", may].concat()
        })
    };
    view! {
        <div class="page settings">
            <Head title="Account"/>
            <section class="card settings__card">
                <dl class="facts">
                    <dt>"Name"</dt>
                    <dd>{move || app.session.me().map(|me| me.username)}</dd>
                    <dt>"Role"</dt>
                    <dd>{role}</dd>
                </dl>
                <div>
                    <button
                        type="button"
                        class="button"
                        data-testid="account.session.end"
                        on:click=move |_| spawn_local(app.session.sign_out())
                    >
                        {icon("sign-out")}
                        "Sign out"
                    </button>
                </div>
            </section>
            {password()}
            <section class="card">
                <header class="card__head">
                    <h2>"Signed-in browsers"</h2>
                </header>
                {reader.show("Sessions could not be listed", sessions)}
            </section>
        </div>
    }
}

fn password() -> AnyView {
    let app = App::get();
    let (current, new) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let again = RwSignal::new(String::new());
    let mistake = RwSignal::new(String::new());
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        if new.get_untracked() != again.get_untracked() {
            mistake.set("The two new passwords differ.".to_owned());
            return;
        }
        mistake.set(String::new());
        let request = PasswordChange {
            current: current.get_untracked(),
            new: new.get_untracked(),
        };
        spawn_local(async move {
            match http::tell("POST", "/account/password", &request).await {
                Ok(()) => {
                    app.toasts.done("The password is changed");
                    for field in [current, new, again] {
                        let _ = field.try_set(String::new());
                    }
                }
                Err(failure) => {
                    let _ = mistake.try_set(failure.to_string());
                }
            }
        });
    };
    view! {
        <section class="card">
            <header class="card__head">
                <h2>"Password"</h2>
            </header>
            <form class="settings__card" on:submit=submit>
                {line("Current password", "password", "current-password", "account.password.current", current)}
                {line("New password", "password", "new-password", "account.password.new", new)}
                {line("New password again", "password", "new-password", "account.password.again", again)}
                <div role="alert">{move || (!mistake.get().is_empty()).then(|| note("bad", mistake.get()))}</div>
                <div>
                    <button type="submit" class="button button--primary" data-testid="account.password.change">
                        "Change password"
                    </button>
                </div>
            </form>
        </section>
    }
    .into_any()
}

fn sessions(reader: Reader<List<Session>>, list: List<Session>) -> AnyView {
    let app = App::get();
    let rows = list
        .items
        .into_iter()
        .map(|session| {
            let path = ["/sessions/", &session.id].concat();
            let browser = session.user_agent.clone();
            let used = time::parse(&session.last_used).map(time::local);
            let end = move |_| {
                let path = path.clone();
                spawn_local(async move {
                    match http::act("DELETE", &path).await {
                        Ok(()) => reader.again(),
                        Err(failure) => app.toasts.failed("The session was not ended", failure.to_string()),
                    }
                });
            };
            view! {
                <li class="line">
                    {icon("user")}
                    <span class="grow truncate" title=browser>
                        {session.address.unwrap_or_else(|| "unknown address".to_owned())}
                        " "
                        <span class="muted">{session.user_agent}</span>
                    </span>
                    <span class="muted nowrap">{used}</span>
                    {if session.current {
                        view! { <span class="badge badge--accent">"this one"</span> }.into_any()
                    } else {
                        view! {
                            <button type="button" class="button button--small" data-testid="account.session.revoke" on:click=end>
                                "Sign out"
                            </button>
                        }
                            .into_any()
                    }}
                </li>
            }
        })
        .collect_view();
    view! { <ul>{rows}</ul> }.into_any()
}
