//! Pages that are not part of the first load: each group is a file of its own,
//! fetched when one of its pages is first opened.
//!
//! The build tool cuts the program at the functions marked `wasm_split`; what only they
//! reach leaves the first file, and what several of them share becomes a file for each set
//! of them. So there are few: with five, twelve files were smaller than 13 kB.
#![expect(
    clippy::unnecessary_wraps,
    reason = "the file of a split function may not come, which its result says"
)]

use super::{builds, containers, events, images, networks, registries, settings, system, tasks, volumes};
use crate::client::pause::pause;
use crate::components::notice::failure;
use leptos::prelude::*;
use leptos::wasm_split::{SplitLoaderError, wasm_split};
use send_wrapper::SendWrapper;
use std::time::Duration;

/// A page whose file is here, or none whose file could not be fetched.
type Fetched = Result<AnyView, SplitLoaderError>;

#[derive(Clone, Copy)]
pub enum OfContainers {
    Create,
    Detail,
}

#[derive(Clone, Copy)]
pub enum OfImages {
    List,
    Tree,
    Pull,
    Prune,
    Detail,
    Registries,
}

#[derive(Clone, Copy)]
pub enum OfBuilds {
    List,
    New,
    Run,
}

#[derive(Clone, Copy)]
pub enum OfHost {
    Volumes,
    Networks,
    System,
    Settings,
    Account,
    Events,
    Tasks,
}

/// All pages that are not of containers.
#[derive(Clone, Copy)]
enum Other {
    Images(OfImages),
    Builds(OfBuilds),
    Host(OfHost),
}

#[wasm_split(list_of_containers, wasm_split_path = leptos::wasm_split, fallible)]
fn list_of_containers() -> Fetched {
    Ok(view! { <containers::list::List/> }.into_any())
}

#[wasm_split(of_containers, wasm_split_path = leptos::wasm_split, fallible)]
fn of_containers(page: OfContainers) -> Fetched {
    Ok(match page {
        OfContainers::Create => view! { <containers::create::Create/> }.into_any(),
        OfContainers::Detail => view! { <containers::detail::Detail/> }.into_any(),
    })
}

#[wasm_split(others, wasm_split_path = leptos::wasm_split, fallible)]
fn others(page: Other) -> Fetched {
    Ok(match page {
        Other::Images(page) => image(page),
        Other::Builds(page) => build(page),
        Other::Host(page) => host(page),
    })
}

fn image(page: OfImages) -> AnyView {
    match page {
        OfImages::List => view! { <images::list::Images/> }.into_any(),
        OfImages::Tree => view! { <images::tree::ImageTree/> }.into_any(),
        OfImages::Pull => view! { <images::pull::PullImage/> }.into_any(),
        OfImages::Prune => view! { <images::prune::PruneImages/> }.into_any(),
        OfImages::Detail => view! { <images::detail::ImageDetail/> }.into_any(),
        OfImages::Registries => view! { <registries::Registries/> }.into_any(),
    }
}

fn build(page: OfBuilds) -> AnyView {
    match page {
        OfBuilds::List => view! { <builds::list::Builds/> }.into_any(),
        OfBuilds::New => view! { <builds::new::NewBuildPage/> }.into_any(),
        OfBuilds::Run => view! { <builds::run::BuildRun/> }.into_any(),
    }
}

fn host(page: OfHost) -> AnyView {
    match page {
        OfHost::Volumes => view! { <volumes::Volumes/> }.into_any(),
        OfHost::Networks => view! { <networks::Networks/> }.into_any(),
        OfHost::System => view! { <system::SystemPage/> }.into_any(),
        OfHost::Settings => view! { <settings::Settings/> }.into_any(),
        OfHost::Account => view! { <settings::account::Account/> }.into_any(),
        OfHost::Events => view! { <events::Events/> }.into_any(),
        OfHost::Tasks => view! { <tasks::Tasks/> }.into_any(),
    }
}

/// Between the tries to fetch a file. A browser drops what it is fetching when an
/// address of its host changes, as when a bridge of containers is made there.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(3),
];

async fn fetch<F: Future<Output = Fetched>>(page: impl Fn() -> F) -> Fetched {
    for wait in PAUSES {
        if let Ok(view) = page().await {
            return Ok(view);
        }
        pause(wait).await;
    }
    page().await
}

/// Shows the page as soon as its file is here, or that it does not come.
fn when_here<F>(page: impl Fn() -> F + Copy + Send + 'static) -> AnyView
where
    F: Future<Output = Fetched> + 'static,
{
    let again = ArcTrigger::new();
    (move || {
        again.track();
        let again = again.clone();
        let shown = SendWrapper::new(async move {
            fetch(page).await.unwrap_or_else(|_| {
                failure("This page could not be fetched", NOT_FETCHED.to_owned(), move || {
                    again.notify();
                })
            })
        });
        view! { <Suspense>{Suspend::new(shown)}</Suspense> }
    })
    .into_any()
}

const NOT_FETCHED: &str = "The server cannot be reached, or it was updated since the panel was loaded. \
                           If it was, reload the panel. Containers are not affected.";

pub fn container_list() -> AnyView {
    when_here(list_of_containers)
}

pub fn container_page(page: OfContainers) -> impl Fn() -> AnyView + Clone + Send {
    move || when_here(move || of_containers(page))
}

pub fn image_page(page: OfImages) -> impl Fn() -> AnyView + Clone + Send {
    move || when_here(move || others(Other::Images(page)))
}

pub fn build_page(page: OfBuilds) -> impl Fn() -> AnyView + Clone + Send {
    move || when_here(move || others(Other::Builds(page)))
}

pub fn host_page(page: OfHost) -> impl Fn() -> AnyView + Clone + Send {
    move || when_here(move || others(Other::Host(page)))
}
