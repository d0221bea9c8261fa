//! Signing in, and creating the first user.

use crate::components::dialog::Dialog;
use crate::components::icon::{icon, mark};
use crate::components::notice::note;
use crate::state::App;
use leptos::prelude::*;
use leptos::task::spawn_local;
use shared::session::SetupRequest;

/// A labelled field of these forms.
fn field(
    label: &'static str,
    kind: &'static str,
    complete: &'static str,
    testid: &'static str,
    value: RwSignal<String>,
) -> AnyView {
    view! {
        <label class="sign-in__field">
            <span>{label}</span>
            <input
                class="input"
                type=kind
                autocomplete=complete
                required
                data-testid=testid
                prop:value=move || value.get()
                on:input=move |event| value.set(event_target_value(&event))
            />
        </label>
    }
    .into_any()
}

fn brand() -> AnyView {
    view! {
        <div class="sign-in__brand">
            {mark("sign-in__mark")}
            <span>"Gantry"</span>
        </div>
    }
    .into_any()
}

/// Name and password with a button; used by page and dialog.
fn credentials(then: impl Fn() + Copy + 'static) -> AnyView {
    let app = App::get();
    let name = RwSignal::new(untrack(|| app.session.me()).map(|me| me.username).unwrap_or_default());
    let password = RwSignal::new(String::new());
    let busy = RwSignal::new(false);
    let mistake = RwSignal::new(String::new());
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        if busy.get_untracked() {
            return;
        }
        busy.set(true);
        mistake.set(String::new());
        spawn_local(async move {
            let answer = app
                .session
                .sign_in(name.get_untracked(), password.get_untracked())
                .await;
            let _ = busy.try_set(false);
            match answer {
                Ok(()) => then(),
                Err(reason) => {
                    let _ = mistake.try_set(reason);
                }
            }
        });
    };
    view! {
        <form class="sign-in__form" on:submit=submit>
            {field("Name", "text", "username", "sign-in.form.name", name)}
            {field("Password", "password", "current-password", "sign-in.form.password", password)}
            <div role="alert">
                {move || (!mistake.get().is_empty()).then(|| note("bad", mistake.get()))}
            </div>
            <button
                type="submit"
                class="button button--primary"
                data-testid="sign-in.form.submit"
                prop:disabled=move || busy.get()
            >
                {move || if busy.get() { "Signing in" } else { "Sign in" }}
            </button>
        </form>
    }
    .into_any()
}

/// The sign-in page.
#[component]
pub fn SignIn() -> impl IntoView {
    document().set_title("Sign in - Gantry");
    view! {
        <main class="sign-in">
            <section class="sign-in__box">
                {brand()}
                <h1>"Sign in"</h1>
                {credentials(|| ())}
            </section>
            <p class="sign-in__foot">"Containers on this host, from one place."</p>
        </main>
    }
}

/// Signing in again over a page whose session ended; what was typed there stays.
#[component]
pub fn SignInAgain() -> impl IntoView {
    let app = App::get();
    view! {
        <Dialog open=app.session.expired title="Sign in again" testid="sign-in-again">
            <div class="dialog__body">
                <p>"The session has ended. The page stays as it is."</p>
                {credentials(move || app.containers.reload())}
            </div>
        </Dialog>
    }
}

/// The first user is made, with the code the server printed.
#[component]
pub fn SetUp() -> impl IntoView {
    let app = App::get();
    document().set_title("Set up - Gantry");
    // The printed link carries the code.
    let given = window()
        .location()
        .search()
        .ok()
        .and_then(|query| web_sys::UrlSearchParams::new_with_str(&query).ok())
        .and_then(|query| query.get("code"))
        .unwrap_or_default();
    let (code, name) = (RwSignal::new(given), RwSignal::new("admin".to_owned()));
    let (password, again) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let (busy, mistake) = (RwSignal::new(false), RwSignal::new(String::new()));
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        if password.get_untracked() != again.get_untracked() {
            mistake.set("The two passwords differ.".to_owned());
            return;
        }
        busy.set(true);
        mistake.set(String::new());
        spawn_local(async move {
            let request = SetupRequest {
                code: code.get_untracked().trim().to_owned(),
                username: name.get_untracked(),
                password: password.get_untracked(),
            };
            let answer = app.session.set_up(request).await;
            let _ = busy.try_set(false);
            if let Err(reason) = answer {
                let _ = mistake.try_set(reason);
            }
        });
    };
    view! {
        <main class="sign-in">
            <section class="sign-in__box">
                {brand()}
                <h1>"Set up this server"</h1>
                <p class="muted">"Create the first administrator. The server printed the one-time code when it started."</p>
                <form class="sign-in__form" on:submit=submit>
                    {field("One-time code", "text", "one-time-code", "setup.form.code", code)}
                    {field("Name", "text", "username", "setup.form.name", name)}
                    {field("Password", "password", "new-password", "setup.form.password", password)}
                    {field("Password again", "password", "new-password", "setup.form.again", again)}
                    <div role="alert">
                        {move || (!mistake.get().is_empty()).then(|| note("bad", mistake.get()))}
                    </div>
                    <button
                        type="submit"
                        class="button button--primary"
                        data-testid="setup.form.submit"
                        prop:disabled=move || busy.get()
                    >
                        {icon("check")}
                        "Create administrator"
                    </button>
                </form>
            </section>
        </main>
    }
}
