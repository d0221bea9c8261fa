//! A new build: a Dockerfile typed here, or a context sent as a tar.

use super::super::frame::Head;
use crate::client::decode::decode;
use crate::client::http::{self, Failure, escape, json, sentence};
use crate::client::upload::{self, Upload};
use crate::components::field::{Kind, check, field, given};
use crate::components::icon::icon;
use crate::components::meter::Meter;
use crate::components::notice::note;
use crate::format::number;
use crate::state::signal::Hold;
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
use model::image::Reference;
use shared::build::{Build, NewBuild};
use std::collections::BTreeMap;
use web_sys::{File, HtmlInputElement};

const EXAMPLE: &str = "FROM busybox\nRUN echo hello > /greeting\nCMD [\"cat\", \"/greeting\"]\n";

/// What is being typed.
#[derive(Clone, Copy)]
struct Draft {
    dockerfile: RwSignal<String>,
    file: RwSignal<String>,
    tag: RwSignal<String>,
    target: RwSignal<String>,
    args: RwSignal<String>,
    platform: RwSignal<String>,
    no_cache: RwSignal<bool>,
    pull: RwSignal<bool>,
    offline: RwSignal<bool>,
}

impl Draft {
    fn new() -> Self {
        let text = || RwSignal::new(String::new());
        let flag = || RwSignal::new(false);
        Self {
            dockerfile: RwSignal::new(EXAMPLE.to_owned()),
            file: text(),
            tag: text(),
            target: text(),
            args: text(),
            platform: text(),
            no_cache: flag(),
            pull: flag(),
            offline: flag(),
        }
    }

    /// # Errors
    /// What is wrong with it, in a sentence.
    fn request(self, typed: bool) -> Result<NewBuild, String> {
        let tags: Vec<String> = given(self.tag).into_iter().collect();
        for tag in &tags {
            Reference::parse(tag).map_err(|error| sentence(&error.to_string()))?;
        }
        let mut args = BTreeMap::new();
        for line in self.args.get_untracked().lines().filter(|line| !line.trim().is_empty()) {
            let Some((name, value)) = line.split_once('=') else {
                return Err(["The build argument `", line.trim(), "` has no value: write NAME=value."].concat());
            };
            args.insert(name.trim().to_owned(), value.to_owned());
        }
        Ok(NewBuild {
            dockerfile: typed.then(|| self.dockerfile.get_untracked()),
            file: given(self.file).filter(|_| !typed),
            tags,
            target: given(self.target),
            args,
            no_cache: self.no_cache.get_untracked(),
            pull: self.pull.get_untracked(),
            platform: given(self.platform),
            network: self.offline.get_untracked().then(|| "none".to_owned()),
            ..NewBuild::default()
        })
    }
}

/// The page.
#[component]
pub fn NewBuildPage() -> impl IntoView {
    let draft = Draft::new();
    let typed = RwSignal::new(true);
    let mistake = RwSignal::new(String::new());
    let sent = RwSignal::new(None::<f64>);
    let upload = StoredValue::new_local(None::<Upload>);
    let navigate = StoredValue::new_local(use_navigate());
    let begun = move |answer: Result<Build, Failure>| match answer {
        Ok(build) => navigate.hold(|go| go(&["/builds/", &escape(&build.id)].concat(), NavigateOptions::default())),
        Err(failure) => {
            let _ = mistake.try_set(failure.to_string());
        }
    };
    let build_typed = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        match draft.request(true) {
            Ok(request) => {
                mistake.set(String::new());
                spawn_local(async move { begun(http::send::<_, Build>("POST", "/builds", &request).await) });
            }
            Err(why) => mistake.set(why),
        }
    };
    let build_file = move |file: File| match draft.request(false) {
        Ok(request) => {
            mistake.set(String::new());
            sent.set(Some(0.0));
            let path = ["/builds?options=", &escape(&json(&request))].concat();
            let started = upload::start(
                &path,
                &file,
                move |share| {
                    let _ = sent.try_set(Some(share));
                },
                move |answer| {
                    let _ = sent.try_set(None);
                    begun(
                        answer.and_then(|text| decode(&text).map_err(|error| Failure::Unreadable(error.to_string()))),
                    );
                },
            );
            upload.set_value(started);
        }
        Err(why) => mistake.set(why),
    };
    let part = move |word: &'static str, name: &'static str, testid: &'static str, of_typed: bool| {
        view! {
            <button
                type="button"
                class="segments__part"
                aria-pressed=move || (typed.get() == of_typed).to_string()
                data-testid=testid
                on:click=move |_| typed.set(of_typed)
            >
                {icon(name)}
                {word}
            </button>
        }
    };
    view! {
        <div class="page pull">
            <Head title="New build"/>
            <div class="segments" role="group" aria-label="Where from" style="justify-self:start">
                {part("Dockerfile", "edit", "builds.new.typed", true)}
                {part("Upload a context", "upload", "builds.new.context", false)}
            </div>
            <form class="card pull__form" on:submit=build_typed>
                {field("Image name", "my-app:latest", Kind::Text, "builds.new.tag", draft.tag)}
                <Show
                    when=move || typed.get()
                    fallback=move || field("Dockerfile in the context", "Dockerfile", Kind::Text, "builds.new.file", draft.file)
                >
                    <div class="builds__editor">
                        {field("Dockerfile", "FROM …", Kind::Area, "builds.new.dockerfile", draft.dockerfile)}
                    </div>
                </Show>
                <details>
                    <summary>"Target, arguments, cache and network"</summary>
                    <div class="stack" style="margin-top:12px">
                        <div class="create__pair">
                            {field("Target stage", "the last one", Kind::Text, "builds.new.target", draft.target)}
                            {field("Platform", "of this host", Kind::Text, "builds.new.platform", draft.platform)}
                        </div>
                        {field("Build arguments, one per line", "VERSION=1.2", Kind::Area, "builds.new.args", draft.args)}
                        {check("Do not use the cache", "builds.new.no-cache", draft.no_cache)}
                        {check("Pull newer base images", "builds.new.pull", draft.pull)}
                        {check("No network for RUN", "builds.new.offline", draft.offline)}
                    </div>
                </details>
                <Show
                    when=move || typed.get()
                    fallback=move || drop_place(build_file)
                >
                    <div>
                        <button type="submit" class="button button--primary" data-testid="builds.new.submit">
                            {icon("build")}
                            "Build"
                        </button>
                    </div>
                </Show>
                {move || {
                    sent.get()
                        .map(|share| {
                            view! {
                                <div class="row">
                                    <div class="grow"><Meter share=Signal::stored(Some(share)) label="Upload" progress=true/></div>
                                    <span class="muted nowrap">{number::percent(share * 100.0)}</span>
                                </div>
                            }
                        })
                }}
                <div role="alert">{move || (!mistake.get().is_empty()).then(|| note("bad", mistake.get()))}</div>
            </form>
        </div>
    }
}

fn drop_place(take: impl Fn(File) + Copy + 'static) -> AnyView {
    let over = RwSignal::new(false);
    view! {
        <label
            class="pull__drop"
            class:pull__drop--over=move || over.get()
            on:dragover=move |event| {
                event.prevent_default();
                over.set(true);
            }
            on:dragleave=move |_| over.set(false)
            on:drop=move |event| {
                event.prevent_default();
                over.set(false);
                if let Some(file) = event.data_transfer().and_then(|data| data.files()).and_then(|files| files.get(0)) {
                    take(file);
                }
            }
        >
            {icon("upload")}
            <span>"Drop the context here, or "<span class="pull__pick">"choose a file"</span></span>
            <span class="muted">"A tar of the directory with the Dockerfile, plain or compressed with gzip, xz or zstd"</span>
            <input
                type="file"
                class="visually-hidden"
                data-testid="builds.new.archive"
                on:change=move |event| {
                    let input = event_target::<HtmlInputElement>(&event);
                    if let Some(file) = input.files().and_then(|files| files.get(0)) {
                        take(file);
                    }
                    input.set_value("");
                }
            />
        </label>
    }
    .into_any()
}
