//! An address that leads nowhere.

use super::frame::Head;
use crate::components::notice::Empty;
use leptos::prelude::*;
use leptos_router::components::A;

/// Said for unknown addresses.
#[component]
pub fn NotFound() -> impl IntoView {
    view! {
        <div class="page">
            <Head title="Page not found"/>
            <section class="card">
                <Empty icon="search" text="This address has no page.">
                    <A href="/" attr:class="button">"Overview"</A>
                    <A href="/containers" attr:class="button">"Containers"</A>
                </Empty>
            </section>
        </div>
    }
}
