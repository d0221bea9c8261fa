//! The root: who is signed in decides between the sign-in page and the panel.

use crate::components::dialog::AskerHost;
use crate::components::menu::MenuHost;
use crate::components::notice::failure;
use crate::components::toast::ToastHost;
use crate::pages::sign_in::{SetUp, SignIn, SignInAgain};
use crate::shell::Panel;
use crate::state::App;
use crate::state::session::Session;
use leptos::prelude::*;
use leptos::task::spawn_local;

/// Everything.
#[component]
pub fn Root() -> impl IntoView {
    let app = App::provide();
    spawn_local(app.session.ask());
    let link = move || app.connection.word(app.now.get());
    let ready = move || (app.session.state.get() != Session::Unknown).to_string();
    // Only a change of this word rebuilds the page, not every change of the session.
    let door = Memo::new(move |_| match app.session.state.get() {
        Session::Unknown => 0,
        Session::Unreachable(_) => 1,
        Session::Setup => 2,
        Session::SignedOut => 3,
        Session::SignedIn(_) => 4,
    });
    view! {
        <div id="app" data-conn=link data-ready=ready>
            {move || match door.get() {
                1 => {
                    let reason = match app.session.state.get_untracked() {
                        Session::Unreachable(reason) => reason,
                        _ => String::new(),
                    };
                    failure("The panel cannot reach its server", reason, move || spawn_local(app.session.ask()))
                }
                2 => view! { <SetUp/> }.into_any(),
                3 => view! { <SignIn/> }.into_any(),
                4 => view! { <Panel/> }.into_any(),
                _ => ().into_any(),
            }}
            <SignInAgain/>
            <AskerHost asker=app.asker/>
            <MenuHost menus=app.menus/>
            <ToastHost toasts=app.toasts/>
        </div>
    }
}

/// Takes away what index.html showed while the program loaded.
pub fn hide_starting() {
    if let Some(element) = document().get_element_by_id("starting") {
        element.remove();
    }
}

/// Says that the panel stopped, instead of leaving a dead page.
pub fn show_stopped(details: &str) {
    let Some(element) = web_sys::window()
        .and_then(|window| window.document())
        .and_then(|document| document.get_element_by_id("stopped"))
    else {
        return;
    };
    if let Ok(Some(text)) = element.query_selector("pre") {
        text.set_text_content(Some(details));
    }
    let _ = element.remove_attribute("hidden");
}
