//! The frame around every page: rail, top bar, palette, task tray, keys.

mod keys;
mod palette;
mod rail;
mod tasks;
mod top_bar;

pub use self::keys::is_typing;
use crate::pages;
use crate::pages::deferred::{
    OfBuilds, OfContainers, OfHost, OfImages, build_page, container_list, container_page, host_page, image_page,
};
use crate::state::App;
use leptos::prelude::*;
use leptos_router::components::{Route, Router, Routes};
use leptos_router::path;
use palette::Palette;
use rail::{BottomBar, Rail};
use tasks::TaskTray;
use top_bar::TopBar;

/// What is open over the page.
#[derive(Clone, Copy)]
pub struct Layers {
    pub palette: RwSignal<bool>,
    pub keys: RwSignal<bool>,
}

/// The panel of someone who is signed in.
#[component]
pub fn Panel() -> impl IntoView {
    let app = App::get();
    app.containers.start();
    app.tasks.start();
    on_cleanup(move || {
        app.containers.stop();
        app.tasks.stop();
    });
    let layers = Layers {
        palette: RwSignal::new(false),
        keys: RwSignal::new(false),
    };
    provide_context(layers);
    view! {
        <Router>
            <nav aria-label="Skip">
                <a class="skip-link" href="#content">"Skip to content"</a>
            </nav>
            <div class="shell" class:shell--narrow=move || app.preferences.narrow_rail.get()>
                <Rail/>
                <TopBar layers/>
                <main class="shell__content" id="content" tabindex="-1">
                    <Routes fallback=pages::not_found::NotFound transition=false>
                        <Route path=path!("/") view=pages::overview::Overview/>
                        <Route path=path!("/containers") view=container_list/>
                        <Route path=path!("/images") view=image_page(OfImages::List)/>
                        <Route path=path!("/images/pull") view=image_page(OfImages::Pull)/>
                        <Route path=path!("/images/tree") view=image_page(OfImages::Tree)/>
                        <Route path=path!("/images/prune") view=image_page(OfImages::Prune)/>
                        <Route path=path!("/images/:id/:tab?") view=image_page(OfImages::Detail)/>
                        <Route path=path!("/registries") view=image_page(OfImages::Registries)/>
                        <Route path=path!("/builds") view=build_page(OfBuilds::List)/>
                        <Route path=path!("/builds/new") view=build_page(OfBuilds::New)/>
                        <Route path=path!("/builds/:id") view=build_page(OfBuilds::Run)/>
                        <Route path=path!("/volumes") view=host_page(OfHost::Volumes)/>
                        <Route path=path!("/networks") view=host_page(OfHost::Networks)/>
                        <Route path=path!("/system") view=host_page(OfHost::System)/>
                        <Route path=path!("/settings/:section?") view=host_page(OfHost::Settings)/>
                        <Route path=path!("/account") view=host_page(OfHost::Account)/>
                        <Route path=path!("/events") view=host_page(OfHost::Events)/>
                        <Route path=path!("/tasks") view=host_page(OfHost::Tasks)/>
                        <Route path=path!("/containers/new") view=container_page(OfContainers::Create)/>
                        <Route path=path!("/containers/:id/:tab?") view=container_page(OfContainers::Detail)/>
                    </Routes>
                </main>
                <BottomBar/>
            </div>
            <TaskTray/>
            <Palette layers/>
            <keys::Keys layers/>
        </Router>
    }
}
