//! Tabs that are links: each has its own address.

use super::notice::Empty;
use leptos::prelude::*;
use leptos_router::components::A;

/// Stands in the place of a tab that is not there.
pub fn no_such_tab() -> AnyView {
    view! {
        <section class="card">
            <Empty icon="search" text="This page has no such tab."/>
        </section>
    }
    .into_any()
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tab {
    pub word: &'static str,
    pub href: String,
    pub testid: String,
    pub count: Option<usize>,
}

/// A row of tabs.
#[component]
pub fn Tabs(
    /// In order.
    #[prop(into)]
    tabs: Signal<Vec<Tab>>,
    /// Which is shown, from 0; none where the address names no tab.
    #[prop(into)]
    chosen: Signal<usize>,
    /// What the tabs are of.
    label: &'static str,
) -> impl IntoView {
    view! {
        <nav class="tabs" aria-label=label>
            {move || {
                tabs.get()
                    .into_iter()
                    .enumerate()
                    .map(|(at, tab)| {
                        let current = move || if chosen.get() == at { Some("page") } else { None };
                        view! {
                            <A href=tab.href attr:class="tabs__tab" attr:data-testid=tab.testid attr:data-current=current>
                                {tab.word}
                                {tab.count.map(|count| view! { <span class="tabs__count">{count}</span> })}
                            </A>
                        }
                    })
                    .collect_view()
            }}
        </nav>
    }
}
