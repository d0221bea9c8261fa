//! One stage, step after step.

use super::board::{Board, StepState};
use super::cache::{self, Outcome};
use super::failure::Failure;
use super::fetch;
use super::mounts::{Files, bound_digest};
use super::passwd;
use super::place::{How, Placing};
use super::request::NewBuild;
use super::root::{Changes, open_to_read};
use super::run::{Running, commit_changes};
use super::select::{Exclude, choose, digest};
use crate::blocking::blocking;
use crate::clock;
use crate::engine::Inner;
use crate::error::EngineError;
use build::instruction::{MountKind, Step};
use build::{AddSource, CopyOrder, Dockerfile, Order, RunOrder, Source, State, Who, key, source_of};
use image::Layer;
use image::document::{Document, Step as HistoryStep};
use model::Timestamp;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

/// What all stages of a build share.
pub(super) struct Ground {
    pub(super) engine: Arc<Inner>,
    pub(super) request: NewBuild,
    pub(super) file: Dockerfile,
    pub(super) context: PathBuf,
    /// Below it each step works in a directory of its own.
    pub(super) work: PathBuf,
    pub(super) board: Board,
    pub(super) cancel: CancellationToken,
    /// `linux/amd64`.
    pub(super) platform: String,
    /// Seconds since 1970, of `SOURCE_DATE_EPOCH`.
    pub(super) epoch_s: Option<i64>,
    /// Images that files are taken from, by the name the file gives them.
    pub(super) images: HashMap<String, Vec<Layer>>,
    /// Steps that work at once.
    pub(super) slots: Semaphore,
    /// Keys whose outcomes were used.
    pub(super) used: Mutex<Vec<String>>,
    pub(super) next_dir: AtomicU64,
}

impl Ground {
    pub(super) fn epoch(&self) -> Option<Timestamp> {
        self.epoch_s
            .map(|seconds| Timestamp::from_unix_nanos(seconds.saturating_mul(1_000_000_000)))
    }

    /// A directory of one step's own; not made yet.
    fn dir(&self) -> PathBuf {
        let number = self.next_dir.fetch_add(1, Ordering::Relaxed);
        self.work.join(format!("step-{number}"))
    }
}

/// A stage at its end.
#[derive(Debug, Clone)]
pub(super) struct StageEnd {
    pub(super) state: State,
    pub(super) layers: Vec<Layer>,
    /// With the history so far; settings are the state's.
    pub(super) document: Document,
    pub(super) created: Option<Timestamp>,
}

pub(super) type Ends = HashMap<usize, watch::Receiver<Option<Arc<StageEnd>>>>;

/// A stage under way.
pub(super) struct StageRun {
    pub(super) ground: Arc<Ground>,
    pub(super) index: usize,
    pub(super) steps: Vec<Step>,
    /// The place of the first of them on the board.
    pub(super) first: usize,
    pub(super) ends: Arc<Ends>,
    pub(super) at: StageEnd,
}

impl StageRun {
    pub(super) async fn run(mut self) -> Result<StageEnd, Failure> {
        let steps = std::mem::take(&mut self.steps);
        for (place, step) in (self.first..).zip(&steps) {
            if self.ground.cancel.is_cancelled() {
                return Err(Failure::Cancelled);
            }
            if let Err(failure) = self.step(place, step).await {
                let failure = failure.at(self.ground.request.file.name(), step.first_line, step.keyword);
                if !matches!(failure, Failure::Cancelled) {
                    let message = failure.message();
                    if let Failure::Command { code, .. } = &failure {
                        self.ground
                            .board
                            .change_step(place, |step| step.exit_code = Some(*code));
                    }
                    self.ground.board.step_ends(place, StepState::Failed, Some(message));
                }
                return Err(failure);
            }
        }
        Ok(self.at)
    }

    async fn step(&mut self, place: usize, step: &Step) -> Result<(), Failure> {
        let outcome = self
            .at
            .state
            .apply(step)
            .map_err(|mistake| Failure::Mistake(mistake.message))?;
        let files = self.files_id();
        let done = match &outcome.order {
            Order::Settings => {
                let before = self.at.created.map(|at| at.to_string()).unwrap_or_default();
                let key = key::of_settings(&files, &self.at.state.settings, &before, &outcome.created_by);
                let created = self.ground.epoch().unwrap_or_else(clock::now);
                self.cached_or(place, key, step, async || Ok(Outcome { created, layer: None }))
                    .await?
            }
            Order::MakeDir { path } => {
                let mut key = key::Key::new("directory");
                let user = self.at.state.settings.user.clone();
                key.part(&files)
                    .part(path)
                    .part(&user)
                    .part(format!("{:?}", self.ground.epoch_s));
                self.cached_or(place, key.finish(), step, async || self.make_dir(path, &user).await)
                    .await?
            }
            Order::Run(order) => {
                let sources = self.mount_files(order).await?;
                let contents = self.bound(order, &sources).await?;
                let key = key::of_order(&outcome.order, self.ground_of_key(&files), &contents).unwrap_or_default();
                let work = async || {
                    let running = Running {
                        ground: &self.ground,
                        step: place,
                        order,
                        files: &sources,
                        layers: &self.at.layers,
                        settings: &self.at.state.settings,
                    };
                    running.run().await
                };
                self.cached_or(place, key, step, work).await?
            }
            Order::Copy(order) => self.copy(place, step, &outcome.order, order, &files).await?,
        };
        if let Some(layer) = &done.layer {
            let layer = (layer.digest.clone(), layer.unpacked_bytes);
            self.ground.board.change_step(place, |step| step.layer = Some(layer));
        }
        self.history(&outcome.created_by, &done);
        Ok(())
    }

    /// The outcome of the key, or else of `work`, which is then remembered.
    async fn cached_or(
        &self,
        place: usize,
        key: String,
        step: &Step,
        work: impl AsyncFnOnce() -> Result<Outcome, Failure>,
    ) -> Result<Outcome, Failure> {
        let ground = &self.ground;
        if !ground.request.no_cache
            && let Some(outcome) = cache::find(&ground.engine, &key).await?
            && let Some(outcome) = self.fitting(outcome).await?
        {
            ground.used.lock().unwrap_or_else(PoisonError::into_inner).push(key);
            ground.board.step_ends(place, StepState::Cached, None);
            return Ok(outcome);
        }
        let _slot = tokio::select! {
            slot = ground.slots.acquire() => slot,
            () = ground.cancel.cancelled() => return Err(Failure::Cancelled),
        };
        ground.board.step_begins(place);
        let outcome = work().await?;
        cache::remember(&ground.engine, key, &step.text, &outcome, &self.at.layers).await?;
        ground.board.step_ends(place, StepState::Done, None);
        Ok(outcome)
    }

    /// A remembered layer of a linked copy may lie on others: it is laid on these.
    async fn fitting(&self, outcome: Outcome) -> Result<Option<Outcome>, Failure> {
        let Some(layer) = &outcome.layer else {
            return Ok(Some(outcome));
        };
        let (engine, parents) = (self.ground.engine.clone(), self.at.layers.clone());
        let (layer, cancel) = (layer.clone(), self.ground.cancel.clone());
        let stacked = blocking("lay a layer on others", move || {
            Ok(engine.images.stack_layer(&layer, &parents, &cancel))
        });
        let layer = stacked.await??;
        Ok(Some(Outcome {
            created: outcome.created,
            layer: Some(layer),
        }))
    }

    fn history(&mut self, created_by: &str, outcome: &Outcome) {
        self.at.created = Some(outcome.created);
        self.at.layers.extend(outcome.layer.clone());
        self.at.document.history.push(HistoryStep {
            created: Some(outcome.created.to_string()),
            created_by: created_by.to_owned(),
            author: None,
            comment: String::new(),
            empty_layer: outcome.layer.is_none(),
        });
    }

    /// What the files of the stage are, in a word.
    fn files_id(&self) -> String {
        self.at
            .layers
            .last()
            .map(|layer| layer.chain_id.to_string())
            .unwrap_or_default()
    }

    fn ground_of_key<'a>(&'a self, files: &'a str) -> key::Ground<'a> {
        key::Ground {
            files,
            platform: &self.ground.platform,
            epoch: self.ground.epoch_s,
        }
    }

    async fn make_dir(&self, path: &str, user: &str) -> Result<Outcome, Failure> {
        let who = if user.is_empty() {
            None
        } else {
            Some(Who::parse(user).map_err(Failure::Mistake)?)
        };
        let path = PathBuf::from(path);
        self.change(&self.at.layers, who, None, move |placing| placing.make_dir(&path))
            .await
    }

    /// Changes the files of the stage (`on` are those it is done on) and makes a layer of it.
    async fn change<F>(
        &self,
        on: &[Layer],
        owner: Option<Who>,
        mode: Option<build::Mode>,
        work: F,
    ) -> Result<Outcome, Failure>
    where
        F: FnOnce(&mut Placing<'_>) -> Result<(), Failure> + Send + 'static,
    {
        let ground = self.ground.clone();
        let (engine, dir) = (ground.engine.clone(), ground.dir());
        let (on, all) = (on.to_vec(), self.at.layers.clone());
        let cancel = ground.cancel.clone();
        let time_s = ground.epoch_s;
        let gathered = blocking("change the files of a stage", move || {
            Ok((|| {
                let owner = match owner {
                    // Names are those of the stage, also where the layer is of nothing below.
                    Some(who) if who.numbers().is_none() => {
                        let root = open_to_read(&engine, &all)?;
                        Some(passwd::owners(&root, &who)?)
                    }
                    Some(who) => who.numbers(),
                    None => None,
                };
                let changes = Changes::begin(&engine, &on, dir)?;
                let how = How { owner, mode, time_s };
                let path = changes.path();
                let worked =
                    Placing::new(&changes.root, &path, how, &cancel).and_then(|mut placing| work(&mut placing));
                // Dropped with the changes when it failed.
                let gathered = changes.gathered();
                worked.map(|()| gathered)
            })())
        })
        .await??;
        let outcome = commit_changes(
            &ground,
            ground.engine.clone(),
            gathered.written()?,
            self.at.layers.clone(),
            Vec::new(),
        )
        .await;
        drop(gathered);
        outcome
    }

    async fn copy(
        &self,
        place: usize,
        step: &Step,
        whole: &Order,
        order: &CopyOrder,
        files: &str,
    ) -> Result<Outcome, Failure> {
        let exclude = Exclude::new(&order.exclude)?;
        let found = self.sources(order).await?;
        let local: Vec<String> = found.iter().filter_map(|source| source.local()).collect();
        let from = self.files_of(order.location.0.as_deref()).await?;
        let place_name = match &order.location.0 {
            None => "the context".to_owned(),
            Some(name) => format!("`{name}`"),
        };
        let engine = self.ground.engine.clone();
        let parents = order.parents;
        let (root, chosen, own) = blocking("look at what is to be copied", {
            let (from, exclude, engine) = (from.clone(), exclude.clone(), engine.clone());
            move || {
                Ok((|| {
                    let root = from.open(&engine)?;
                    let chosen = choose(&root, &local, parents, &place_name)?;
                    let own = digest(&root, &chosen, parents, &exclude)
                        .map_err(|error| Failure::mistake(format!("{place_name} cannot be read: {error}")))?;
                    Ok::<_, Failure>((root, chosen, own))
                })())
            }
        })
        .await??;
        let mut contents = vec![own];
        contents.extend(found.iter().filter_map(SourceFound::key));
        let key = key::of_order(whole, self.ground_of_key(files), &contents).unwrap_or_default();
        self.cached_or(place, key, step, async || {
            let fetched = self.fetch_rest(found, order).await?;
            let on: &[Layer] = if order.link { &[] } else { &self.at.layers };
            let order = order.clone();
            let (who, mode) = (order.owner.clone(), order.mode.clone());
            self.change(on, who, mode, move |placing| {
                put(placing, &order, &root, &chosen, &fetched, &exclude)
            })
            .await
        })
        .await
    }

    /// What each source of the order is, as far as it need not be downloaded for the key.
    async fn sources(&self, order: &CopyOrder) -> Result<Vec<SourceFound>, Failure> {
        let mut found = Vec::with_capacity(order.sources.len());
        for source in &order.sources {
            let kind = if order.is_add {
                AddSource::parse(source)
            } else {
                AddSource::Path(source.clone())
            };
            found.push(match kind {
                AddSource::Path(path) => SourceFound::Local(path),
                AddSource::Url(url) => match &order.checksum {
                    Some(checksum) => SourceFound::Promised {
                        url,
                        checksum: checksum.clone(),
                    },
                    None => SourceFound::Url(self.download(&url, None).await?),
                },
                AddSource::Git { url, reference, subdir } => {
                    let dir = self.ground.dir();
                    let cancel = &self.ground.cancel;
                    let commit = fetch::clone(&url, reference.as_deref(), order.keep_git_dir, &dir, cancel).await?;
                    SourceFound::Git { dir, commit, subdir }
                }
            });
        }
        if order.checksum.is_some() && found.iter().all(|source| matches!(source, SourceFound::Local(_))) {
            return Err(Failure::mistake("`--checksum` is for sources with an address"));
        }
        Ok(found)
    }

    async fn download(&self, url: &str, checksum: Option<&str>) -> Result<fetch::Fetched, Failure> {
        let ground = &self.ground;
        fetch::download(&ground.engine, url, checksum, ground.dir(), &ground.cancel).await
    }

    async fn fetch_rest(&self, found: Vec<SourceFound>, order: &CopyOrder) -> Result<Vec<SourceFound>, Failure> {
        let mut all = Vec::with_capacity(found.len());
        for source in found {
            all.push(match source {
                SourceFound::Promised { url, .. } => {
                    SourceFound::Url(self.download(&url, order.checksum.as_deref()).await?)
                }
                other => other,
            });
        }
        Ok(all)
    }

    /// Where `--from` leads; waits for a stage to end.
    async fn files_of(&self, from: Option<&str>) -> Result<Files, Failure> {
        let source = source_of(&self.ground.file, self.index, from).map_err(Failure::Mistake)?;
        Ok(match source {
            Source::Context => Files::Dir(self.ground.context.clone()),
            Source::Stage(index) => Files::Layers(self.end_of(index).await?.layers.clone()),
            Source::Image(name) => {
                let layers = self.ground.images.get(&name);
                let missing = || Failure::Engine(EngineError::ImageMissing(name.clone()));
                Files::Layers(layers.cloned().ok_or_else(missing)?)
            }
        })
    }

    pub(super) async fn end_of(&self, index: usize) -> Result<Arc<StageEnd>, Failure> {
        end_of(&self.ends, index, &self.ground.cancel).await
    }

    async fn mount_files(&self, order: &RunOrder) -> Result<Vec<Option<Files>>, Failure> {
        let mut all = Vec::with_capacity(order.mounts.len());
        for mount in &order.mounts {
            all.push(match &mount.kind {
                MountKind::Bind { from, .. } => Some(self.files_of(from.as_deref()).await?),
                MountKind::Cache { from: Some(from), .. } => Some(self.files_of(Some(from)).await?),
                _ => None,
            });
        }
        Ok(all)
    }

    /// Digests of what is bound.
    async fn bound(&self, order: &RunOrder, files: &[Option<Files>]) -> Result<Vec<String>, Failure> {
        let mut contents = Vec::new();
        for (mount, files) in order.mounts.iter().zip(files) {
            if let (MountKind::Bind { source, .. }, Some(files)) = (&mount.kind, files) {
                let (engine, files, source) = (self.ground.engine.clone(), files.clone(), source.clone());
                let digest = blocking("look at what is bound", move || {
                    Ok(bound_digest(&engine, &files, &source))
                });
                contents.push(digest.await??);
            }
        }
        Ok(contents)
    }
}

/// Waits until a stage has ended.
pub(super) async fn end_of(ends: &Ends, index: usize, cancel: &CancellationToken) -> Result<Arc<StageEnd>, Failure> {
    let Some(end) = ends.get(&index) else {
        return Err(Failure::mistake(format!("stage {index} is not part of this build")));
    };
    let mut end = end.clone();
    tokio::select! {
        () = cancel.cancelled() => Err(Failure::Cancelled),
        waited = end.wait_for(Option::is_some) => match waited {
            Ok(end) => end.clone().ok_or(Failure::Cancelled),
            // It failed, and tells so itself.
            Err(_) => Err(Failure::Cancelled),
        },
    }
}

/// A source, found or fetched.
#[derive(Debug, Clone)]
enum SourceFound {
    Local(String),
    Url(fetch::Fetched),
    /// Fetched once it is sure that it is needed.
    Promised {
        url: String,
        checksum: String,
    },
    Git {
        dir: PathBuf,
        commit: String,
        subdir: Option<String>,
    },
}

impl SourceFound {
    fn local(&self) -> Option<String> {
        match self {
            Self::Local(path) => Some(path.clone()),
            _ => None,
        }
    }

    fn key(&self) -> Option<String> {
        match self {
            Self::Local(_) => None,
            Self::Url(fetched) => Some(format!("{} {}", fetched.name, fetched.digest)),
            Self::Promised { url, checksum } => Some(format!("{} {checksum}", fetch::name_of(url))),
            Self::Git { commit, subdir, .. } => Some(format!("git {commit} {subdir:?}")),
        }
    }
}

/// Puts everything in its place.
fn put(
    placing: &mut Placing<'_>,
    order: &CopyOrder,
    root: &std::os::fd::OwnedFd,
    chosen: &[super::select::Chosen],
    fetched: &[SourceFound],
    exclude: &Exclude,
) -> Result<(), Failure> {
    let destination = Path::new(&order.destination);
    let elsewhere = fetched.iter().filter(|source| source.local().is_none()).count();
    let several = chosen.len() + order.files.len() + elsewhere > 1;
    let into = order.into_dir || placing.is_dir(destination);
    if several && !into {
        return Err(Failure::mistake(format!(
            "several files fit, so the destination is a directory and ends with `/`: `{}/`",
            order.destination
        )));
    }
    if order.into_dir {
        placing.make_dir(destination)?;
    }
    for one in chosen {
        if order.is_add && !one.is_dir && order.unpack.unwrap_or(true) {
            let file = super::select::open_file(std::os::fd::AsFd::as_fd(root), &one.path)
                .map_err(|error| Failure::mistake(format!("`{}` cannot be read: {error}", one.path.display())))?;
            if image::is_tar(&file) {
                let reader = image::Unpacked::new(file, None, image::Limits::default())
                    .map_err(|error| Failure::mistake(error.to_string()))?;
                placing.unpack(reader, destination)?;
                continue;
            }
        }
        if order.parents {
            placing.copy_with_parents(root, one, destination, exclude)?;
        } else {
            placing.copy(root, one, destination, into, exclude)?;
        }
    }
    for (name, text) in &order.files {
        let target = if into {
            destination.join(name)
        } else {
            destination.to_owned()
        };
        placing.write(&target, text.as_bytes())?;
    }
    for source in fetched {
        match source {
            SourceFound::Local(_) | SourceFound::Promised { .. } => {}
            SourceFound::Url(fetched) => put_download(placing, order, fetched, destination, into)?,
            SourceFound::Git { dir, subdir, .. } => {
                let root = std::fs::File::open(dir)
                    .map_err(|error| Failure::mistake(format!("the repository cannot be read: {error}")))?
                    .into();
                let source = subdir.clone().unwrap_or_else(|| "/".to_owned());
                for one in choose(&root, &[source], false, "the repository")? {
                    placing.copy(&root, &one, destination, into, exclude)?;
                }
            }
        }
    }
    Ok(())
}

fn put_download(
    placing: &mut Placing<'_>,
    order: &CopyOrder,
    fetched: &fetch::Fetched,
    destination: &Path,
    into: bool,
) -> Result<(), Failure> {
    let open = || {
        std::fs::File::open(&fetched.path)
            .map_err(|error| Failure::mistake(format!("what was fetched cannot be read: {error}")))
    };
    let file = open()?;
    if order.unpack.unwrap_or(false) && image::is_tar(&file) {
        let reader = image::Unpacked::new(file, None, image::Limits::default())
            .map_err(|error| Failure::mistake(error.to_string()))?;
        return placing.unpack(reader, destination);
    }
    if into && fetched.name.is_empty() {
        return Err(Failure::mistake(
            "the address does not end with a file's name; name the file in the destination",
        ));
    }
    let target = if into {
        destination.join(&fetched.name)
    } else {
        destination.to_owned()
    };
    placing.file(&target, 0o600, fetched.modified_s, open()?)
}
