//! Pages that are not part of the first load: each group is a file of its own,
//! fetched when one of its pages is first opened.
//!
//! The build tool cuts the program at the functions marked `lazy`; what only they
//! reach leaves the first file.

use super::{builds, containers, events, images, networks, registries, settings, system, tasks, volumes};
use leptos::prelude::*;

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

#[lazy]
fn list_of_containers() -> AnyView {
    view! { <containers::list::List/> }.into_any()
}

#[lazy]
fn of_containers(page: OfContainers) -> AnyView {
    match page {
        OfContainers::Create => view! { <containers::create::Create/> }.into_any(),
        OfContainers::Detail => view! { <containers::detail::Detail/> }.into_any(),
    }
}

#[lazy]
fn of_images(page: OfImages) -> AnyView {
    match page {
        OfImages::List => view! { <images::list::Images/> }.into_any(),
        OfImages::Tree => view! { <images::tree::ImageTree/> }.into_any(),
        OfImages::Pull => view! { <images::pull::PullImage/> }.into_any(),
        OfImages::Prune => view! { <images::prune::PruneImages/> }.into_any(),
        OfImages::Detail => view! { <images::detail::ImageDetail/> }.into_any(),
        OfImages::Registries => view! { <registries::Registries/> }.into_any(),
    }
}

#[lazy]
fn of_builds(page: OfBuilds) -> AnyView {
    match page {
        OfBuilds::List => view! { <builds::list::Builds/> }.into_any(),
        OfBuilds::New => view! { <builds::new::NewBuildPage/> }.into_any(),
        OfBuilds::Run => view! { <builds::run::BuildRun/> }.into_any(),
    }
}

#[lazy]
fn of_host(page: OfHost) -> AnyView {
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

/// Shows the page as soon as its file is here.
fn when_here(page: impl Future<Output = AnyView> + Send + 'static) -> AnyView {
    view! { <Suspense>{Suspend::new(page)}</Suspense> }.into_any()
}

pub fn container_list() -> AnyView {
    when_here(list_of_containers())
}

pub fn container_page(page: OfContainers) -> impl Fn() -> AnyView + Clone + Send {
    move || when_here(of_containers(page))
}

pub fn image_page(page: OfImages) -> impl Fn() -> AnyView + Clone + Send {
    move || when_here(of_images(page))
}

pub fn build_page(page: OfBuilds) -> impl Fn() -> AnyView + Clone + Send {
    move || when_here(of_builds(page))
}

pub fn host_page(page: OfHost) -> impl Fn() -> AnyView + Clone + Send {
    move || when_here(of_host(page))
}
