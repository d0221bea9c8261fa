//! Every page of the panel at three widths and in both themes: nothing stands beyond what
//! holds it, no text is broken letter by letter, no form stretches over an empty page,
//! axe-core finds nothing, and the browser's console stays silent. Pictures of all of it
//! are in `target/panel-screens`.

#[path = "../panel/browser.rs"]
#[expect(dead_code, reason = "shared with the panel's other tests, which do more with it")]
mod browser;

use browser::Browser;
use harness::{Api, Host, Image};
use reqwest::Method;
use serde_json::{Value, json};
use shared::build::Build;
use shared::create::{EnvEntry, NewContainer};
use shared::image::Image as Listed;
use shared::list::List;
use std::path::{Path, PathBuf};

const WIDTHS: [(u32, u32); 3] = [(360, 780), (1024, 768), (1440, 900)];
const THEMES: [&str; 2] = ["light", "dark"];
const LAYOUT: &str = include_str!("layout.js");

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// A name, an image and variables that are long, and of one word.
const LONG: &str = "a-container-with-a-very-long-name-that-does-not-end-soon-0123456789";

fn container(name: &str, line: &str) -> NewContainer {
    NewContainer {
        image: "busybox".to_owned(),
        name: Some(name.to_owned()),
        command: Some(["sh", "-c", line].map(str::to_owned).to_vec()),
        start: true,
        ..NewContainer::default()
    }
}

/// Something of everything, so that no page is empty.
async fn fill(api: &Api) -> Vec<(String, String)> {
    let archive = Image::busybox().archive("busybox:latest");
    api.upload("/images/load", archive).await.expect("the archive is taken");
    let long = NewContainer {
        labels: [("org.example.team".to_owned(), LONG.repeat(2))].into(),
        env: vec![EnvEntry {
            name: "SETTINGS".to_owned(),
            value: LONG.repeat(3),
        }],
        ports: vec!["127.0.0.1::80".to_owned()],
        ..container(LONG, "while true; do echo a line of the log; sleep 1; done")
    };
    let created = api.create(&long).await.expect("it runs");
    for (name, line) in [
        ("web", "sleep 1000"),
        ("job", "echo failed >&2; exit 3"),
        ("done", "true"),
    ] {
        api.create(&container(name, line)).await.expect("it runs");
    }
    api.wait("job").await;
    api.act(Method::POST, "/containers/web/stop?timeout=0")
        .await
        .expect("it stops");
    let volume: Value = api
        .send(Method::POST, "/volumes", &json!({ "name": LONG }))
        .await
        .expect("it is made");
    assert_eq!(volume["name"], LONG);
    let build: Build = api
        .send(
            Method::POST,
            "/builds",
            &json!({ "dockerfile": "FROM busybox\nRUN echo built > /it\n", "tags": ["built:latest"] }),
        )
        .await
        .expect("it begins");
    let images: List<Listed> = api.get("/images").await.expect("they are listed");
    let image = images.items.first().expect("an image").id.clone();
    pages(&created.id, &image, &build.id)
}

/// A short name for each page, and its address.
fn pages(container: &str, image: &str, build: &str) -> Vec<(String, String)> {
    let fixed = [
        ("overview", "/"),
        ("containers", "/containers"),
        ("containers-none", "/containers?q=no-such-container"),
        ("create", "/containers/new"),
        ("images", "/images"),
        ("tree", "/images/tree"),
        ("pull", "/images/pull"),
        ("pull-file", "/images/pull?from=file"),
        ("prune", "/images/prune"),
        ("registries", "/registries"),
        ("builds", "/builds"),
        ("build-new", "/builds/new"),
        ("volumes", "/volumes"),
        ("networks", "/networks"),
        ("system", "/system"),
        ("events", "/events"),
        ("tasks", "/tasks"),
        ("appearance", "/settings/appearance"),
        ("tokens", "/settings/tokens"),
        ("users", "/settings/users"),
        ("account", "/account"),
        ("not-found", "/nowhere"),
        ("gone", "/containers/no-such-container"),
    ];
    let mut pages: Vec<(String, String)> = fixed.map(|(name, path)| (name.to_owned(), path.to_owned())).to_vec();
    let tabs = [
        "",
        "logs",
        "console",
        "stats",
        "processes",
        "limits",
        "events",
        "config",
        "nothing",
    ];
    for tab in tabs {
        pages.push((format!("container-{tab}"), format!("/containers/{container}/{tab}")));
    }
    pages.push(("copy".to_owned(), format!("/containers/new?from={container}")));
    pages.push(("image".to_owned(), format!("/images/{image}")));
    pages.push(("layers".to_owned(), format!("/images/{image}/layers")));
    pages.push(("build".to_owned(), format!("/builds/{build}")));
    pages
}

/// The browser at one page after the other, and what is wrong with them.
struct Walk {
    browser: Browser,
    screens: PathBuf,
    wrong: Vec<String>,
}

impl Walk {
    /// Looks at the page that is shown, in every size and theme.
    async fn look(&mut self, name: &str) {
        for (width, height) in WIDTHS {
            self.browser.resize(width, height).await;
            for theme in THEMES {
                let set = format!("document.documentElement.dataset.theme = '{theme}'");
                self.browser.script(&set).await;
                let place = format!("{name} at {width} px, {theme}");
                // Colours are judged in both themes, all else at the widest and the narrowest.
                let rules = match (width, theme) {
                    (360, "light") | (1440, "dark") => "all",
                    (1440, "light") | (360, "dark") => "colours",
                    _ => "none",
                };
                let found = self
                    .browser
                    .script(&format!("return window.judgePage('{rules}')"))
                    .await;
                for words in found.as_array().into_iter().flatten() {
                    self.wrong
                        .push(format!("{place}: {}", words.as_str().unwrap_or_default()));
                }
                let file = self.screens.join(format!("{name}-{width}-{theme}.png"));
                self.browser.picture(&file).await;
            }
        }
    }
}

#[tokio::test]
async fn every_page_keeps_its_layout_at_every_width_and_in_both_themes() {
    if !harness::can_run_containers() || !browser::is_there() {
        return;
    }
    let Ok(axe) = std::fs::read_to_string(root().join("web/node_modules/axe-core/axe.min.js")) else {
        println!("skipped: needs axe-core; run `cargo xtask ui` first");
        return;
    };
    let host = Host::start(env!("CARGO_BIN_EXE_gantry"));
    if !reqwest::get(host.url())
        .await
        .expect("the server answers")
        .status()
        .is_success()
    {
        println!("skipped: needs the built panel; run `cargo xtask ui` first");
        return;
    }
    let pages = fill(&host.api()).await;
    let only = std::env::var("PANEL_PAGES").unwrap_or_default();
    let screens = root().join("target/panel-screens");
    std::fs::create_dir_all(&screens).expect("a writable target folder");
    let mut walk = Walk {
        browser: Browser::open(&host.url(), 1440, 900).await,
        screens,
        wrong: Vec::new(),
    };
    walk.browser.go("/").await;
    walk.browser.find("sign-in.form.submit").await;
    walk.browser.script(&format!("{axe}\n{LAYOUT}")).await;
    walk.look("sign-in").await;
    walk.browser.resize(1440, 900).await;
    walk.browser.sign_in().await;
    walk.browser.script(&format!("{axe}\n{LAYOUT}")).await;
    for (name, path) in pages {
        if !only.is_empty() && !only.split(',').any(|wanted| wanted == name) {
            continue;
        }
        let shown = walk.browser.script(&format!("return window.openPage({path:?})")).await;
        assert_eq!(
            shown,
            true,
            "{name} does not come to rest: {}",
            walk.browser.text().await
        );
        walk.look(&name).await;
    }
    let complaints = walk.browser.script("return window.complaints").await;
    assert_eq!(complaints, json!([]), "the console");
    // A line for each kind of fault, not for each place of it.
    assert!(
        walk.wrong.is_empty(),
        "{} faults; pictures are in target/panel-screens:\n{}",
        walk.wrong.len(),
        walk.wrong.join("\n")
    );
    walk.browser.close().await;
}
